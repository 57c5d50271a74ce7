#!/usr/bin/env python3
"""Random histories, judged twice: by the program and by the oracle, from the rules' text alone.

For each seed: make_history writes a journal; `tapline inspect --json --events` says what the state
machine made of it; the oracle of tests/system/oracle applies the same records and every event and
posting must be equal; `tapline verify` must find the journal good. Of every tenth journal
`tapline replay` makes the SQLite files, which must hold what the oracle ends with. The run fails as
well when something that the rules know never occurred in it: what does not occur is not tested.

    differential.py [--seed S] [--seeds N] [--points P] [--keep]
    SEED and SEEDS of the environment stand in for the options.

Exit 0: equal, and all of it seen; 1: not.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
ORACLE = os.path.join(HERE, "..", "system", "oracle")
sys.path.insert(0, ORACLE)

import database  # noqa: E402
import witness  # noqa: E402
from book import Broken  # noqa: E402
from compare import Comparison, Difference  # noqa: E402
from projection import Projection  # noqa: E402

DATABASE_EVERY = 10


class Failed(Exception):
    """A seed whose history the two do not agree on."""


def run(command, codes=(0,)):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in codes:
        raise Failed("%s: exit %d\n%s%s" % (" ".join(command), done.returncode, done.stdout[-2000:],
                                            done.stderr[-2000:]))
    return done


def make(arguments, seed, data):
    done = run([arguments.make_history, data, str(seed), str(arguments.points)])
    words = done.stdout.split()
    return int(words[1]), int(words[3])


def compare(arguments, data, records, bent, seen):
    """Record by record: what the program made of it against what the oracle makes of it."""
    command = [arguments.tapline, "inspect", "--data", data, "--json", "--events"]
    inspect = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    comparison = Comparison(events=True, check_index=bent == 0)
    watcher = witness.Witness(comparison.machine, seen)
    projection = Projection()
    try:
        for line in inspect.stdout:
            record = json.loads(line)
            watcher.before(record)
            mine = comparison.record(record)
            watcher.after(record, *mine)
            projection.record(record, *mine, comparison.machine)
        comparison.finish()
    except (Difference, Broken, KeyError) as problem:
        raise Failed("%s: %s" % (type(problem).__name__, problem)) from problem
    finally:
        inspect.kill()
        errors = inspect.communicate()[1]
    if comparison.machine.seq != records:
        raise Failed("inspect shows %d of %d records\n%s"
                     % (comparison.machine.seq, records, errors))
    seen.update(comparison.counts)
    return projection.state(comparison.machine)


def is_compared(line, bets):
    """A tap refused in its own step never was in a cell, so the market and bounds that its row
    shows are not decided by the rules."""
    words = line.split()
    name, _, column = words[1].partition(".") if words[0] == "bets:" else ("", "", "")
    bet = bets.get(name)
    if bet is None or column.rstrip(":") not in ("market", "price_lo", "price_hi"):
        return True
    return bet["accepted_at"] is not None


def compare_database(arguments, data, state):
    out = data + "-replayed"
    try:
        run([arguments.tapline, "replay", "--data", data, "--out", out])
        found = database.differences(out, state)
        wrong = [line for line in found if is_compared(line, state["bets"])]
    finally:
        shutil.rmtree(out, ignore_errors=True)
    if wrong:
        raise Failed("SQLite: %d differences, the first: %s" % (len(wrong), wrong[0]))


def verify(arguments, data, records, bent):
    """Checksums, the chain, every digest by replay, and every index price; the bent ones must be
    found, all of them and nothing besides."""
    command = [arguments.tapline, "verify", "--data", data, "--json", "--every", "100"]
    result = json.loads(run(command, (1,) if bent else (0,)).stdout)
    expected = {"records": str(records), "attests_wrong": "0", "prices_wrong": str(bent)}
    for field, value in expected.items():
        if str(result[field]) != value:
            raise Failed("verify: %s is %s, not %s" % (field, result[field], value))


def judge(arguments, seed, seen):
    data = tempfile.mkdtemp(prefix="tapline-differential-")
    try:
        records, bent = make(arguments, seed, data)
        state = compare(arguments, data, records, bent, seen)
        verify(arguments, data, records, bent)
        if seed % DATABASE_EVERY == 0 or arguments.seeds == 1:
            compare_database(arguments, data, state)
            seen["SQLite files compared"] += 1
        seen["histories"] += 1
        seen["histories with bent ticks"] += bent > 0
        return None
    except Failed as failed:
        return str(failed)
    finally:
        if not arguments.keep:
            shutil.rmtree(data, ignore_errors=True)
        else:
            print("seed %d is in %s" % (seed, data))


def how_to_repeat(arguments, seed):
    return "SEED=%d SEEDS=1 %s %s --tapline %s --make-history %s --points %d --keep" % (
        seed, sys.executable, os.path.abspath(__file__), arguments.tapline, arguments.make_history,
        arguments.points)


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tapline", required=True, metavar="PROGRAM")
    parser.add_argument("--make-history", required=True, metavar="PROGRAM")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "1")))
    parser.add_argument("--seeds", type=int, default=int(os.environ.get("SEEDS", "300")))
    parser.add_argument("--points", type=int, default=600, help="grid points of a history")
    parser.add_argument("--keep", action="store_true", help="leave the data directories")
    return parser.parse_args()


def main():
    arguments = options()
    seen = Counter()
    failures = 0
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        problem = judge(arguments, seed, seen)
        if problem:
            failures += 1
            print("seed %d: %s\n    again: %s" % (seed, problem, how_to_repeat(arguments, seed)),
                  flush=True)
    for label, count in sorted(seen.items()):
        print("%10d  %s" % (count, label))
    missing = witness.missing(seen)
    # A single seed is asked for to see why it fails: it cannot show everything.
    if arguments.seeds > 1 and missing:
        print("never occurred: " + ", ".join(missing))
    print("%d histories from seed %d, %d failed" % (arguments.seeds, arguments.seed, failures))
    return 1 if failures or (arguments.seeds > 1 and missing) else 0


if __name__ == "__main__":
    sys.exit(main())
