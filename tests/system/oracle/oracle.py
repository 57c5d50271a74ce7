#!/usr/bin/env python3
"""An oracle for tapline: the rules once more, from the rules' text alone, in other words.

    oracle.py compare EVENTS.jsonl [--signatures N]     records with events: equal to the rules?
    oracle.py state RECORDS.jsonl [--json]              what the records make of the world
    oracle.py database RECORDS.jsonl --data DIR         the SQLite files against that
    oracle.py digest --data DIR                         a digest of each SQLite table

The input is what `tapline inspect --json` prints ("-" reads standard input). Exit 0: equal;
1: a difference, the first one is named; 2: the oracle's own invariants broke; 64: usage.
"""

import argparse
import json
import sys

import database
from book import Broken
from compare import Comparison, Difference
from projection import Projection


def _lines(path):
    with sys.stdin if path == "-" else open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _run(arguments, events):
    comparison = Comparison(events, arguments.signatures, not arguments.no_index)
    projection = Projection()
    for record in _lines(arguments.records):
        try:
            mine = comparison.record(record)
        except KeyError as missing:
            raise Difference(
                record.get("seq"),
                "record " + record.get("kind", "?"),
                "a field %s" % missing,
                sorted(record),
            ) from missing
        projection.record(record, *mine, comparison.machine)
    comparison.finish()
    return comparison, projection.state(comparison.machine)


def _compare(arguments):
    comparison, state = _run(arguments, True)
    for label, count in sorted(comparison.counts.items()):
        print("%10d  %s" % (count, label))
    print("equal up to seq %s" % state["seq"])
    return 0


def _state(arguments):
    _, state = _run(arguments, False)
    if arguments.json:
        json.dump(state, sys.stdout)
        print()
        return 0
    print("seq %(seq)s time %(time)s config %(config)s" % state, state["market"])
    for account, amount in state["balances"].items():
        print("%22s  %s" % (amount, account))
    return 0


def _database(arguments):
    _, state = _run(arguments, False)
    wrong = database.differences(arguments.data, state)
    for line in wrong[:20]:
        print(line)
    print(
        "%d differences, %d bets, %d users"
        % (len(wrong), len(state["bets"]), len(state["accounts"]))
    )
    return 1 if wrong else 0


def _digest(arguments):
    print(json.dumps(database.digests(arguments.data), indent=1))
    return 0


def main(argv):
    parser = argparse.ArgumentParser(prog="oracle.py", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run in (("compare", _compare), ("state", _state), ("database", _database)):
        command = commands.add_parser(name)
        command.add_argument("records")
        command.add_argument(
            "--signatures",
            type=int,
            default=0,
            metavar="N",
            help="recover the signer of the first N taps",
        )
        command.add_argument(
            "--no-index", action="store_true", help="take the index prices as recorded"
        )
        if name == "state":
            command.add_argument("--json", action="store_true")
        if name == "database":
            command.add_argument("--data", required=True)
        command.set_defaults(run=run)
    command = commands.add_parser("digest")
    command.add_argument("--data", required=True)
    command.set_defaults(run=_digest)
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as end:
        return 64 if end.code else 0
    try:
        return arguments.run(arguments)
    except Difference as difference:
        print(difference)
        return 1
    except Broken as broken:
        print("the oracle broke: %s" % broken)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
