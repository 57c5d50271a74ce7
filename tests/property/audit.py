#!/usr/bin/env python3
"""Random histories, audited: what the audit commands say of them is what the oracle derives.

For each seed make_history writes a journal, and then
  explain --all --json   every figure of every bet is derived again (tests/system/oracle/explained.py)
  account --at           balances, open bets and statement at random seqs and times, between records,
                         before the first and behind the last, against the oracle's book by then
  whatif --json          against the oracle, told the same inputs with the other configuration

    audit.py [--seed S] [--bets N] [--moments N] [--whatifs N] [--points P] [--keep]
    SEED, BETS, MOMENTS and WHATIFS of the environment stand in for the options. Goes on to the next
    seed until as many accepted bets, moments and other configurations were seen.

Exit 0: all equal, and all of it seen; 1: not.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from types import SimpleNamespace

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system", "oracle"))

from explained import Checker, Recorder, Wrong  # noqa: E402
from moments import Moments  # noqa: E402
from otherwise import Otherwise, draw_market  # noqa: E402

SIGNATURES = 5  # of a history: each takes the oracle some milliseconds


class Failed(Exception):
    pass


def run(command, codes=(0,)):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        raise Failed(
            "%s: exit %d\n%s%s"
            % (" ".join(command), done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        )
    return done


def read_records(arguments, data):
    lines = run([arguments.tapline, "inspect", "--data", data, "--json"]).stdout.splitlines()
    return [json.loads(line) for line in lines]


def audit_bets(arguments, data, records, seen):
    machine = Recorder()
    for record in records:
        machine.apply(record)
    # Exit 1: the signatures of these histories are made up, and explain says so of each.
    done = run([arguments.tapline, "explain", "--data", data, "--all", "--json"], (0, 1))
    if "explain:" in done.stderr:
        raise Failed(done.stderr)
    checker = Checker(machine, SIGNATURES)
    checked = set()
    for line in done.stdout.splitlines():
        story = json.loads(line)
        checker.story(story)
        state = story["bet"]["state"]
        if state not in checked and story["pricing"]:
            checked.add(state)
            check_the_checker(machine, story)
            seen["stories bent in every figure"] += 1
    seen["attested digests"] += checker.finish()
    seen["bets"] += sum(b.accepted_seq is not None for b in machine.bets.values())
    seen["bets refused in their own step"] += sum(
        b.accepted_seq is None for b in machine.bets.values()
    )
    for key, count in checker.counts.items():
        seen["bet " + key] += count


def leaves(value, path=()):
    """Every text and null in a story, by its path."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from leaves(inner, path + (key,))
    else:
        yield path


def bent(story, path):
    """The story with one leaf that is not as it was."""
    copy = json.loads(json.dumps(story))
    at = copy
    for key in path[:-1]:
        at = at[key]
    old = at[path[-1]]
    at[path[-1]] = "1" if old is None else str(int(old) + 1) if old.isdigit() else old + "x"
    return copy


def check_the_checker(machine, story):
    """A checker that lets a wrong figure pass proves nothing: each is bent once and must be seen."""
    for path in leaves(story):
        try:
            checker = Checker(machine, SIGNATURES)
            checker.story(bent(story, path))
        except (Wrong, ValueError, KeyError):
            continue
        raise Failed("the check lets pass a wrong %s" % ".".join(map(str, path)))


def audit_moments(arguments, data, records, chance, seen):
    moments = Moments(records)
    for _ in range(arguments.moments_each):
        kind, moment, address = moments.draw(chance)
        command = [arguments.tapline, "account", "--data", data, "--json"]
        command += ["--account", address, "--at", str(moment)]
        told = json.loads(run(command).stdout)
        problem = moments.difference(kind, moment, address, told)
        if problem:
            raise Failed("%s: %s" % (" ".join(command), problem))
        seen["moments"] += 1
        seen["moment " + kind] += 1
        seen["moments of an account with bets"] += len(told["bets"]) > 0


def audit_whatif(arguments, data, records, chance, seen):
    keys = draw_market(chance)
    path = os.path.join(data, "other.ini")
    with open(path, "w") as file:
        file.write("[market]\n" + "".join("%s = %d\n" % row for row in keys.items()))
    command = [arguments.tapline, "whatif", "--data", data, "--market", path, "--json"]
    done = run(command, (0, 64))
    other = Otherwise(records, keys)
    if done.returncode == 64:
        if other.problem is None or "does not go with" not in done.stderr:
            raise Failed("refused without a cause: %s" % done.stderr)
        seen["other configurations refused"] += 1
        return
    if other.problem is not None:
        raise Failed("taken, though %s" % other.problem)
    problem = other.difference(json.loads(done.stdout))
    if problem:
        raise Failed("%s: keys %s: %s" % (" ".join(command), keys, problem))
    seen["whatifs"] += 1
    seen["whatifs that changed a result"] += other.changed_a_result


def audit(arguments, seed, seen):
    data = tempfile.mkdtemp(prefix="tapline-audit-")
    chance = random.Random(seed)
    try:
        run([arguments.make_history, data, str(seed), str(arguments.points)])
        records = read_records(arguments, data)
        audit_bets(arguments, data, records, seen)
        if seen["moments"] < arguments.moments:
            audit_moments(arguments, data, records, chance, seen)
        if seen["whatifs"] < arguments.whatifs:
            audit_whatif(arguments, data, records, chance, seen)
        seen["histories"] += 1
        return None
    except (Failed, Wrong, ValueError, KeyError) as problem:
        return "%s: %s" % (type(problem).__name__, problem)
    finally:
        if arguments.keep:
            print("seed %d is in %s" % (seed, data))
        else:
            shutil.rmtree(data, ignore_errors=True)


# What must have occurred, or the run has tested less than it says.
MUST_BE_SEEN = (
    "attested digests",
    "bet won",
    "bet lost",
    "bet void DOWN",
    "bet void NO_TICKS",
    "bet rejected PRICE_MOVED",
    "bet rejected EXPOSURE",
    "bet rejected NO_PRICE",
    "bet rejected CONFIG_CHANGED",
    "bet rejected CELL_CLOSED",
    "moment between",
    "moment before",
    "moment beyond",
    "moments of an account with bets",
    "whatifs that changed a result",
)


def options():
    size = SimpleNamespace(
        **{
            k: int(os.environ.get(k.upper(), v))
            for k, v in (("seed", 1), ("bets", 1000), ("moments", 100), ("whatifs", 10))
        }
    )
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tapline", required=True, metavar="PROGRAM")
    parser.add_argument("--make-history", required=True, metavar="PROGRAM")
    for name, value in vars(size).items():
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--points", type=int, default=600, help="grid points of a history")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    arguments.moments_each = 10
    return arguments


def main():
    arguments = options()
    seen, seed = Counter(), arguments.seed
    while (
        seen["bets"] < arguments.bets
        or seen["moments"] < arguments.moments
        or seen["whatifs"] < arguments.whatifs
    ):
        problem = audit(arguments, seed, seen)
        if problem:
            print("seed %d: %s" % (seed, problem))
            print(
                "again: SEED=%d %s --tapline %s --make-history %s --bets 1 --moments 1 --whatifs 1 "
                "--points %d --keep"
                % (
                    seed,
                    os.path.abspath(__file__),
                    arguments.tapline,
                    arguments.make_history,
                    arguments.points,
                )
            )
            return 1
        seed += 1
    for name in sorted(seen):
        print("%8d  %s" % (seen[name], name))
    whole = seen["histories"] >= 5  # fewer are to look at one again
    missing = [name for name in MUST_BE_SEEN if whole and not seen[name]]
    for name in missing:
        print("never seen: " + name)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
