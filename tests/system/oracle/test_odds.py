"""The multiplier against the published table and golden rows."""

import csv
import os
import unittest

import odds
from fixture import SHARED

REFERENCE = os.path.join(SHARED, "data", "odds_reference")


class Odds(unittest.TestCase):
    def test_the_table_from_the_closed_form_has_the_published_digest(self):
        """The distribution is computed, not copied, and still is the one of the configuration
        epoch."""
        self.assertEqual(len(odds.tail_table()), 1025)
        self.assertEqual(odds.table_sha256(), odds.TABLE_SHA256)

    def test_golden_rows_are_met_exactly(self):
        """p and m agree bit by bit with 400 rows that somebody else computed."""
        path = os.path.join(REFERENCE, "odds_golden.csv")
        if not os.path.exists(path):
            print("SKIPPED: no odds_golden.csv; set TAPLINE_SHARED to the shared folder")
            self.skipTest("no shared folder")
        with open(path, encoding="ascii") as file:
            rows = [{k: int(v) for k, v in row.items()} for row in csv.DictReader(file)]
        self.assertEqual(len(rows), 400)
        for row in rows:
            p = odds.probability(
                row["S_e4"],
                row["v_fast_q64"],
                row["v_slow_q64"],
                row["tau_ms"],
                row["lo_e4"],
                row["hi_e4"],
            )
            m = odds.raw_multiplier(p, row["edge_bp"])
            offered = m if odds.in_range(m) else 0
            self.assertEqual(
                (p, m, offered),
                (row["p_q32"], row["mult_centi_raw"], row["mult_centi_offered"]),
                row,
            )

    def test_skew_floors_what_it_takes(self):
        """1000 - floor(1000 * 500 * 333 / (10000 * 1000)) = 1000 - 16 (16.65 floored)."""
        self.assertEqual(odds.skewed(1000, 500, 333, 1000), 984)
        self.assertEqual(odds.skewed(1000, 500, 0, 1000), 1000)

    def test_the_offer_ends_at_105_and_5000(self):
        """Both ends belong to the offer."""
        self.assertEqual(
            [odds.in_range(m) for m in (104, 105, 5000, 5001)], [False, True, True, False]
        )


if __name__ == "__main__":
    unittest.main()
