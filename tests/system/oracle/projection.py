"""The state after the last record in the words of the HTTP answers, WebSocket events and SQLite
rows."""

from collections import defaultdict


class Projection:
    """Collects per account what an outsider can see of it, record by record."""

    def __init__(self):
        self.events = defaultdict(list)
        self.rows = defaultdict(list)
        self.times = {}

    def record(self, record, events, postings, machine):
        seq, at = record["seq"], record["time"]
        touched = {}
        for p in postings:
            kind, _, name = p["account"].partition(":")
            if kind in ("available", "held"):
                touched[name] = True
            if kind == "available":
                self.rows[name].append(
                    {
                        "seq": seq,
                        "line": p["line"],
                        "at": at,
                        "amount": p["amount"],
                        "balance_after": p["balance_after"],
                        "ref_type": p["ref_type"],
                        "ref_id": p["ref_id"],
                    }
                )
        for e in events:
            if e["type"].startswith("bet:"):
                account = machine.bets[int(e["bet"])].account
                self.events[account].append({"seq": seq, "time": at, **e})
        balances = machine.book.balances
        for name in touched:
            self.events[name].append(
                {
                    "seq": seq,
                    "time": at,
                    "type": "balance",
                    "available": str(balances["available:" + name]),
                    "held": str(balances["held:" + name]),
                }
            )

    def state(self, machine):
        book = machine.book
        accounts = {}
        for name, user in book.users.items():
            accounts[name] = {
                "id": str(user),
                "available": str(book.available(name)),
                "held": str(book.balances["held:" + name]),
                "open_bets": str(len(book.open[name])),
            }
        market = {"breaker": machine.breaker.state, "bankroll": str(book.balances["bankroll"])}
        if machine.volatility:
            market.update(
                samples=str(machine.volatility.samples),
                v_fast=str(machine.volatility.fast),
                v_slow=str(machine.volatility.slow),
            )
        return {
            "seq": str(machine.seq),
            "time": str(machine.time),
            "config": str(machine.configuration.epoch),
            "market": market,
            "accounts": accounts,
            "balances": {k: str(v) for k, v in sorted(book.balances.items()) if v},
            "bets": {str(k): b.shown() for k, b in machine.bets.items()},
            "columns": {str(k): v for k, v in machine.results.items()},
            "ledger": self.rows,
            "events": self.events,
        }
