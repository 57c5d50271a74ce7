"""A comparison that cannot fail proves nothing: every kind of lie in the file is found."""

import contextlib
import copy
import io
import json
import os
import tempfile
import unittest

import oracle
from fixture import ALICE, PRICE, START, USD, Journal

T = START + 20000


class Recorder(Journal):
    """A journal that keeps its records as lines of `inspect --json --events`."""

    def __init__(self, **config):
        self.lines = []
        super().__init__(**config)

    def add(self, kind, time, **fields):
        events = super().add(kind, time, **fields)
        record = {
            "seq": str(self.seq),
            "time": str(time),
            "kind": kind,
            **fields,
            "events": copy.deepcopy(events),
            "postings": copy.deepcopy(self.postings),
        }
        if kind == "config":
            record.update({k: str(v) for k, v in self.machine.config.items()})
        self.lines.append(record)
        return events


def story():
    journal = Recorder()
    for g in range(START + 200, START + 1001, 200):
        journal.tick(g)
    journal.deposit(ALICE, 100 * USD, START + 1000)
    journal.tap(START + 1000, T)
    journal.tap(START + 1000, T)
    journal.ticks(START + 1200, T)
    for line in journal.lines:
        if line["kind"] == "price_tick":
            line["m0"] = line["price"]
            line["quotes"] = [{"name": "test", "price": line["price"], "basis": "0"}]
    return journal.lines


class Compare(unittest.TestCase):
    def run_oracle(self, lines):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "events.jsonl")
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                code = oracle.main(["compare", path])
            return code, printed.getvalue()

    def test_the_truth_is_equal(self):
        """Counts are printed, exit 0."""
        code, printed = self.run_oracle(story())
        self.assertEqual(code, 0, printed)
        self.assertIn("1  bet:settled won", printed)
        self.assertIn("1  bet:rejected CELL_TAKEN", printed)

    def test_every_field_of_every_event_and_posting_counts(self):
        """One field changed at a time; each change is found at its own seq."""
        lines, lies = story(), 0
        for i, line in enumerate(lines):
            for part in ("events", "postings"):
                for j, entry in enumerate(line[part]):
                    for name, value in entry.items():
                        if not isinstance(value, str) or name in ("balance_after",):
                            continue
                        lie = copy.deepcopy(lines[: i + 1])
                        lie[i][part][j][name] = value + "0"
                        if entry.get("type") in ("breaker", "index:tick") and name == "type":
                            continue  # the program need not show these
                        code, printed = self.run_oracle(lie)
                        self.assertEqual(code, 1, (line["seq"], part, entry, name))
                        self.assertIn("seq %s:" % line["seq"], printed)
                        lies += 1
        self.assertGreater(lies, 100)

    def test_a_missing_or_added_line_is_found(self):
        """Neither events nor postings may be more or fewer."""
        lines = story()
        with_money = next(i for i, line in enumerate(lines) if line["kind"] == "tap")
        for part in ("events", "postings"):
            for change in (lambda l: l.pop(), lambda l: l.append(l[-1])):
                lie = copy.deepcopy(lines)
                change(lie[with_money][part])
                self.assertEqual(self.run_oracle(lie)[0], 1)

    def test_an_index_price_that_its_quotes_do_not_give_is_found(self):
        """The recorded price is recomputed, not believed."""
        lines = story()
        tick = next(line for line in lines if line["kind"] == "price_tick")
        tick["quotes"][0]["price"] = str(PRICE + 1)
        code, printed = self.run_oracle(lines)
        self.assertEqual(code, 1)
        self.assertIn("index m0", printed)


if __name__ == "__main__":
    unittest.main()
