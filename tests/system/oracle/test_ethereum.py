"""Keccak, EIP-55 and recovery against published values."""

import json
import os
import unittest

from ethereum import checksum_address, keccak256, recover, tap_text
from fixture import ALICE, SHARED


class Ethereum(unittest.TestCase):
    def test_keccak_of_nothing_and_abc(self):
        """The well-known digests with Keccak's padding, not SHA-3's."""
        self.assertEqual(
            keccak256(b"").hex(), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        )
        self.assertEqual(
            keccak256(b"abc").hex(),
            "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
        )

    def test_checksum_address(self):
        """An example of ERC-55 itself."""
        address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
        self.assertEqual(checksum_address(address.lower()), address)

    def test_recovery_of_messages_that_others_signed(self):
        """personal_sign messages made and checked by two other libraries."""
        path = os.path.join(SHARED, "vectors", "eip191", "personal_sign_positive.json")
        if not os.path.exists(path):
            print(
                "SKIPPED: no personal_sign_positive.json; set TAPLINE_SHARED to the shared folder"
            )
            self.skipTest("no shared folder")
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)
        tried = 0
        for row in rows:
            try:
                message = bytes.fromhex(row["message_hex"][2:]).decode()
            except UnicodeDecodeError:
                continue  # a signed text is always text
            tried += 1
            self.assertEqual(recover(message, row["signature"]), row["address"], row["name"])
        self.assertGreater(tried, 20)

    def test_tap_text_is_the_example_of_the_interface(self):
        """Eleven lines, no line feed at the end."""
        tap = {
            "origin": "http://127.0.0.1:8080",
            "account": ALICE,
            "market": "BTC-USD",
            "column": "1732077300000",
            "band": "4861",
            "stake": "1500000",
            "min_mult": "210",
            "config": "1",
            "nonce": "00" * 16,
            "msg_time": "1732077288123",
        }
        lines = tap_text(tap).split("\n")
        self.assertEqual(len(lines), 11)
        self.assertEqual(lines[0], "tap-bet-v1")
        self.assertEqual(lines[10], "time: 1732077288123")


if __name__ == "__main__":
    unittest.main()
