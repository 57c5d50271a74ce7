"""`tapline whatif` against the oracle: the same inputs told to the oracle's machine twice, as
recorded and with other keys put over every Config record, and both counted here."""

from math import sqrt

from machine import Machine

BUCKETS = (105, 125, 150, 200, 300, 500, 1000, 2000, 5001)


def draw_market(chance):
    """Some keys that are otherwise; not those that cannot be, which are refused."""
    choices = {
        "edge_bp": (0, 200, 1000, 3000),
        "skew_bp": (0, 1000, 5000),
        "columns": (2, 5, 30),
        "bands": (3, 11, 41),
        "min_lead_ms": (1000, 3000, 9000),
        "pricing_delay_ms": (0, 200, 1000, 2000),
        "stake_min": (1, 1000, 1000000),
        "stake_max": (10**6, 10**9),
        "open_bets_max": (1, 3, 100),
        "cell_payout_max": (10**6, 10**9, 10**15),
        "column_loss_max": (0, 10**6, 10**15),
        "house_reserve": (0, 10**9),
        "vol_warmup": (0, 10),
        "quorum": (1, 2, 3),
        "degraded_stable_ms": (0, 2000),
        "vol_fast_start": (10**11, 10**13),
        "band_e4": (100000, 400000),
    }
    names = chance.sample(sorted(choices), chance.randint(1, 4))
    return {name: chance.choice(choices[name]) for name in names}


class Count:
    """What a side comes to."""

    def __init__(self):
        self.machine = Machine()
        self.taps = self.repeated = self.transfers_refused = 0
        self.refused = {}  # taps that made no bet, by reason
        self.liability = self.liability_at = 0

    def apply(self, record):
        events, postings = self.machine.apply(record)
        if record["kind"] == "tap":
            self.taps += 1
            refused = [e for e in events if e["type"] == "tap:refused"]
            if refused:
                reason = refused[0]["reason"]
                self.refused[reason] = self.refused.get(reason, 0) + 1
            elif int(record["seq"]) not in self.machine.bets:
                self.repeated += 1
        self.transfers_refused += sum(e["type"] == "transfer:refused" for e in events)
        balance = self.reserved()
        for posting in reversed(postings):  # the sum after each posting, from the last backward
            if posting["account"].startswith("reserved:"):
                if balance > self.liability:
                    self.liability, self.liability_at = balance, self.machine.time
                balance -= int(posting["amount"])
        return events

    def reserved(self):
        return sum(self.machine.book.balances["reserved:%d" % t] for t in self.machine.book.columns)

    def figures(self):
        bets = list(self.machine.bets.values())
        by = lambda *states: [b for b in bets if b.state in states]  # noqa: E731
        done = by("won", "lost")
        offered = self.taps - self.repeated
        rejected = len(by("rejected")) + sum(self.refused.values())
        columns = {}
        for bet in done:
            columns[bet.column] = columns.get(bet.column, 0) + bet.stake - bet.paid
        stakes, payouts = sum(b.stake for b in done), sum(b.paid for b in done)
        return {
            "taps": self.taps,
            "repeated": self.repeated,
            "offered": offered,
            "accepted": sum(b.accepted_seq is not None for b in bets),
            "confirmed": sum(b.mult is not None for b in bets),
            "rejected": rejected,
            "rejected_share_bp": rejected * 10000 // offered if offered else 0,
            "won": len(by("won")),
            "lost": len(by("lost")),
            "void": len(by("void")),
            "open": len(by("accepted", "confirmed")),
            "stakes": stakes,
            "payouts": payouts,
            "void_stakes": sum(b.stake for b in by("void")),
            "house_result": stakes - payouts,
            "worst_column_result": min(columns.values(), default=0),
            "largest_liability": self.liability,
            "transfers_refused": self.transfers_refused,
        }

    def reasons(self, state):
        counts = dict(self.refused) if state == "rejected" else {}
        for bet in self.machine.bets.values():
            if bet.state == state:
                counts[bet.reason] = counts.get(bet.reason, 0) + 1
        return counts

    def bucket(self, least, most):
        done = [
            b
            for b in self.machine.bets.values()
            if b.state in ("won", "lost") and least <= b.mult < most
        ]
        columns = {}
        for bet in done:
            p, s = columns.get(bet.column, (0, 0))
            columns[bet.column] = p + bet.paid, s + bet.stake
        stakes, payouts = sum(b.stake for b in done), sum(b.paid for b in done)
        told = {
            "from": least,
            "to": most - 1,
            "bets": len(done),
            "won": sum(b.state == "won" for b in done),
            "columns": len(columns),
            "stakes": stakes,
            "payouts": payouts,
            "return_bp": payouts * 10000 // stakes if stakes else None,
        }
        error = None
        if len(columns) > 1:
            ratio, n = payouts / stakes, len(columns)
            squares = sum((p - ratio * s) ** 2 for p, s in columns.values())
            error = 19600 * sqrt(squares * n / (n - 1)) / stakes
        return told, error, len(columns) < 30 or told["won"] < 10


class Otherwise:
    def __init__(self, records, keys):
        self.recorded, self.other = Count(), Count()
        self.problem = None
        for record in records:
            self.recorded.apply(record)
            if record["kind"] != "config":
                self.other.apply(record)
                continue
            epoch = self.recorded.machine.configuration.epoch
            if epoch == self.other.machine.configuration.epoch:
                # It had no effect as recorded; an attest has none either.
                self.other.apply({**record, "kind": "attest", "of_seq": "0", "digest": ""})
                continue
            # inspect shows all keys as applied. Those that are not otherwise are the same on both
            # sides at any time, so it does not matter which of them the record gave.
            self.other.apply({**record, **{k: str(v) for k, v in keys.items()}})
            if self.other.machine.configuration.epoch != epoch:
                self.problem = "the Config record with seq %s is refused" % record["seq"]
                return
        self.changed_a_result = self.recorded.figures() != self.other.figures()

    def difference(self, told):
        for side, count in (("recorded", self.recorded), ("other", self.other)):
            problem = self._side(count, told[side])
            if problem:
                return "%s: %s" % (side, problem)
        return None

    def _side(self, count, told):
        for name, value in count.figures().items():
            if told[name] != str(value):
                return "%s is %s, not %d" % (name, told[name], value)
        if told["largest_liability_at"] != (
            str(count.liability_at) if count.liability_at else None
        ):
            return "largest_liability_at is %s" % told["largest_liability_at"]
        for key, state in (("rejected_for", "rejected"), ("void_for", "void")):
            rows = {row["reason"]: int(row["bets"]) for row in told[key]}
            if rows != count.reasons(state):
                return "%s is %s, not %s" % (key, rows, count.reasons(state))
        bounds = list(zip(BUCKETS, BUCKETS[1:])) + [(BUCKETS[0], BUCKETS[-1])]
        for (least, most), row in zip(bounds, told["buckets"]):
            mine, error, few = count.bucket(least, most)
            for name, value in mine.items():
                if row[name] != (None if value is None else str(value)):
                    return "bucket %d: %s is %s, not %s" % (least, name, row[name], value)
            if (row["error_bp"] is None) != (error is None):
                return "bucket %d: error is %s" % (least, row["error_bp"])
            if error is not None and abs(int(row["error_bp"]) - error) > 1 + error / 10**6:
                return "bucket %d: error is %s, not %f" % (least, row["error_bp"], error)
            if row["few"] != few:
                return "bucket %d: few is %s" % (least, row["few"])
        return None
