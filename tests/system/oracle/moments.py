"""`tapline account --at` against the oracle: what an account had at a seq or a time.

The oracle applies all records once and keeps every posting and every change of a bet with its seq;
what an account has by some moment is then a sum over what came until then. A record belongs to a
time when its engine time is not later.
"""

import bisect

from machine import Machine

NOBODY = "0x52908400098527886E0F7030069857D2E4169EE7"  # EIP-55's own example


class Moments:
    def __init__(self, records):
        machine = Machine()
        self.times = []
        self.postings = {}  # account -> [(seq, time, posting)], of available and held
        self.opened = {}  # account -> seq
        self.taps = {}
        for record in records:
            _, postings = machine.apply(record)
            self.times.append(machine.time)
            if record["kind"] == "tap":
                self.taps[int(record["seq"])] = record["account"]
            for posting in postings:
                kind, _, account = posting["account"].partition(":")
                if kind in ("available", "held"):
                    row = (machine.seq, machine.time, kind, posting)
                    self.postings.setdefault(account, []).append(row)
        self.bets = machine.bets
        self.users = machine.book.users
        self.accounts = sorted(set(self.taps.values()) | set(self.users)) or [NOBODY]

    def draw(self, chance):
        """A kind of moment, the moment, and an account."""
        last, first_time, last_time = len(self.times), self.times[0], self.times[-1]
        account = chance.choice(self.accounts + [NOBODY])
        kind = chance.choice(("seq", "seq", "between", "between", "exact", "before", "beyond"))
        if kind == "seq":
            moment = chance.randint(1, last)
        elif kind == "between":
            moment = chance.randint(first_time, last_time)
        elif kind == "exact":
            moment = chance.choice(self.times)
        elif kind == "before":
            moment = first_time - chance.randint(1, 10**6)
        else:
            moment = chance.choice(
                (last + chance.randint(1, 10**6), last_time + 1, last_time + 10**9)
            )
        return kind, moment, account

    def seq_of(self, moment):
        """The last record that a moment holds."""
        if moment < 10**12:
            return min(moment, len(self.times))
        return bisect.bisect_right(self.times, moment)

    def _is_open(self, bet, seq):
        return (
            bet.accepted_seq is not None
            and bet.accepted_seq <= seq
            and not (bet.settled_seq is not None and bet.settled_seq <= seq)
            and not (bet.state == "rejected" and bet.priced_seq <= seq)
        )

    def _bet_differs(self, bet, seq, told):
        confirmed = bet.mult is not None and bet.priced_seq <= seq
        expected = {
            "bet": str(bet.bet),
            "account": bet.account,
            "column": str(bet.column),
            "band": str(bet.band),
            "stake": str(bet.stake),
            "state": "confirmed" if confirmed else "accepted",
            "mult": str(bet.mult) if confirmed else None,
            "payout": str(bet.payout) if confirmed else None,
        }
        for name, value in expected.items():
            if told[name] != value:
                return "bet %s.%s: %r, not %r" % (bet.bet, name, told[name], value)
        return None

    def difference(self, kind, moment, account, told):
        """None, or what the program tells otherwise."""
        seq = self.seq_of(moment)
        rows = [row for row in self.postings.get(account, ()) if row[0] <= seq]
        sums = {"available": 0, "held": 0}
        for _, _, name, posting in rows:
            sums[name] += int(posting["amount"])
        open_bets = [
            b for b in self.bets.values() if b.account == account and self._is_open(b, seq)
        ]
        expected = {
            "account": account,
            "seq": str(seq),
            "available": str(sums["available"]),
            "held": str(sums["held"]),
            "open_bets": str(len(open_bets)),
        }
        if seq > 0:
            expected["time"] = str(self.times[seq - 1])
        for name, value in expected.items():
            if told[name] != value:
                return "%s is %r, not %r" % (name, told[name], value)
        if sorted(b["bet"] for b in told["bets"]) != sorted(str(b.bet) for b in open_bets):
            return "other open bets: %s" % [b["bet"] for b in told["bets"]]
        for one in told["bets"]:
            problem = self._bet_differs(self.bets[int(one["bet"])], seq, one)
            if problem:
                return problem
        statement = [row for row in rows if row[2] == "available"]
        if len(statement) != len(told["statement"]):
            return "%d rows, not %d" % (len(told["statement"]), len(statement))
        for (at, time, _, posting), row in zip(statement, told["statement"]):
            mine = {
                **{
                    k: posting[k] for k in ("line", "amount", "ref_type", "ref_id", "balance_after")
                },
                "seq": str(at),
                "at": str(time),
            }
            for name, value in mine.items():
                if row[name] != value:
                    return "row at seq %d: %s is %r, not %r" % (at, name, row[name], value)
        return None
