"""The SQLite files of a data directory: compared with the oracle's state, and digested table by
table."""

import glob
import hashlib
import os
import sqlite3

from ethereum import checksum_address

BET_COLUMNS = {  # column of the table: field of the bet object
    "bet": "bet",
    "account": "account",
    "market": "market",
    "column_ms": "column",
    "band": "band",
    "price_lo": "lo",
    "price_hi": "hi",
    "stake": "stake",
    "min_mult": "min_mult",
    "mult": "mult",
    "payout": "payout",
    "state": "state",
    "reason": "reason",
    "nonce": "nonce",
    "session": "session",
    "accepted_at": "accepted_at",
    "priced_at": "priced_at",
    "settled_at": "settled_at",
    "settle_price": "settle_price",
}
LEDGER_COLUMNS = ("seq", "line", "at", "amount", "balance_after", "ref_type", "ref_id")
VOID_WITHOUT_PRICE = ("DOWN", "NO_TICKS")


def _files(directory):
    return sorted(
        glob.glob(os.path.join(directory, "main.db"))
        + glob.glob(os.path.join(directory, "bets_*_w*.db"))
        + glob.glob(os.path.join(directory, "bets_*_W*.db"))
    )


def _open(path):
    connection = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def _tables(connection):
    return [
        row[0]
        for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type='table'"
            " AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
    ]


def _text(value, column):
    """A cell as JSON would show it; accounts and nonces may be BLOBs of their bytes."""
    if isinstance(value, bytes):
        return checksum_address("0x" + value.hex()) if column == "account" else value.hex()
    return None if value is None else str(value)


# Of the table `applied`: these say where one file was cut into transactions beside another, which
# differs between a running server and a rebuild. The rest of its row is the same: seq and digest.
_CUTS = {"main_seq", "until"}


def digests(directory):
    """{file:table: [rows, SHA-256 over the sorted rows]}, without what tells of transactions."""
    result = {}
    for path in _files(directory):
        connection = _open(path)
        for table in _tables(connection):
            cursor = connection.execute('SELECT * FROM "%s"' % table)
            kept = [
                i
                for i, column in enumerate(cursor.description)
                if table != "applied" or column[0] not in _CUTS
            ]
            rows = sorted(repr(tuple(row[i] for i in kept)) for row in cursor)
            digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
            result["%s:%s" % (os.path.basename(path), table)] = [len(rows), digest]
        connection.close()
    return result


def differences(directory, state):
    """What the tables say otherwise than the oracle's state, as lines of text."""
    wrong, bets, ledger = [], {}, {}
    users = {}
    for path in _files(directory):
        connection = _open(path)
        tables = _tables(connection)
        if "users" in tables:
            for row in connection.execute("SELECT id, account, balance, held FROM users"):
                users[_text(row["account"], "account")] = [
                    str(row[k]) for k in ("id", "balance", "held")
                ]
        if "bets" in tables:
            for row in connection.execute("SELECT * FROM bets"):
                bets[str(row["bet"])] = row
        if "transaction_ledger" in tables:
            for row in connection.execute(
                "SELECT * FROM transaction_ledger WHERE ref_type <> 'OPENING' ORDER BY seq, line"
            ):
                shown = {name: _text(row[name], name) for name in LEDGER_COLUMNS}
                ledger.setdefault(_text(row["account"], "account"), []).append(shown)
        connection.close()
    expected = {name: [a["id"], a["available"], a["held"]] for name, a in state["accounts"].items()}
    if users != expected:
        wrong += [
            "users: %s: rules %s, table %s" % (name, expected.get(name), users.get(name))
            for name in sorted(set(users) | set(expected))
            if users.get(name) != expected.get(name)
        ]
    wrong += _bets(bets, state["bets"])
    for name in sorted(set(ledger) | set(state["ledger"])):
        if ledger.get(name, []) != state["ledger"].get(name, []):
            wrong.append("transaction_ledger of %s differs" % name)
    return wrong


def _bets(table, expected):
    wrong = ["bets: %s is in one of both only" % bet for bet in sorted(set(table) ^ set(expected))]
    for bet in sorted(set(table) & set(expected), key=int):
        for column, field in BET_COLUMNS.items():
            mine, theirs = expected[bet][field], _text(table[bet][column], column)
            free = (
                column == "settle_price"
                and theirs is None
                and expected[bet]["reason"] in VOID_WITHOUT_PRICE
            )
            if mine != theirs and not free:
                wrong.append("bets: %s.%s: rules %r, table %r" % (bet, column, mine, theirs))
    return wrong
