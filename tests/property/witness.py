"""What a run of random histories must have shown, so that its silence means something.

A Witness looks at the oracle's machine before and after each record and counts the corners that
events alone do not name: which cap refused a bet, how many ticks made a settlement price, and so on.
"""

import clockwork

# Every reason by which the rules refuse or void something without a session (rules.md 6, 7 and 8).
REASONS = [
    "bet:rejected " + reason for reason in (
        "CONFIG_CHANGED", "LIMIT", "CELL_CLOSED", "TOO_LATE", "TOO_EARLY", "BREAKER", "CELL_TAKEN",
        "INSUFFICIENT_FUNDS", "NO_PRICE", "PRICE_MOVED", "EXPOSURE", "SESSION_EXPIRED")
] + ["tap:refused " + reason for reason in ("TIME_SKEW", "NONCE_REUSED", "NOT_FOUND")] + [
    "transfer:refused " + reason
    for reason in ("LIMIT", "NONCE_REUSED", "NOT_FOUND", "BAD_REQUEST", "INSUFFICIENT_FUNDS")
] + ["config:refused"]

RESULTS = ["bet:settled won", "bet:settled lost"] + [
    "bet:settled void " + reason for reason in ("DOWN", "NO_TICKS", "BREAKER", "SOURCE_JUMP")
] + ["bet:accepted", "bet:confirmed"]

POSTINGS = ["posting " + kind for kind in (
    "DEPOSIT", "WITHDRAWAL", "HOUSE_DEPOSIT", "HOUSE_WITHDRAWAL", "GOODWILL", "BET_HOLD",
    "BET_RELEASE", "BET_CONFIRM", "BET_WIN", "BET_VOID", "COLUMN")]

TURNS = ["breaker %s to %s" % turn for turn in (
    ("HEALTHY", "DEGRADED"), ("HEALTHY", "CRITICAL"), ("DEGRADED", "CRITICAL"),
    ("DEGRADED", "HEALTHY"), ("CRITICAL", "HEALTHY"))]

CORNERS = [
    "accepted bet rejected %s" % reason for reason in (
        "CONFIG_CHANGED", "NO_PRICE", "BREAKER", "TOO_LATE", "CELL_CLOSED", "PRICE_MOVED", "EXPOSURE")
] + ["refused tap " + reason for reason in (
    "CONFIG_CHANGED", "BREAKER", "TOO_LATE", "CELL_CLOSED")
] + ["cap " + name for name in ("cell_payout_max", "column_loss_max", "house_reserve")] + [
    "settled by %d ticks" % count for count in (3, 4, 5)
] + ["%s variance at its %s" % (which, end) for which in ("fast", "slow") for end in ("least", "most")] + [
    "NO_PRICE by lateness", "NO_PRICE of an old tick", "negative d", "column of no bets announced",
    "column settled under a later W", "bets of several epochs open", "tap repeated",
    "nonce used again", "transfer repeated", "grid record without effect",
    "price tick that counts as a clock tick", "price tick short of the quorum",
    "win paid by what is reserved", "column with two winners", "several columns settled at once",
    "settled and priced in one step", "config record refused for a pending W", "win at the lower edge",
    "lost at the upper edge", "multiplier lowered by the skew", "bet on a band below zero"]

WANTED = REASONS + RESULTS + POSTINGS + TURNS + CORNERS


def missing(seen):
    return [label for label in WANTED if not seen[label]]


class Witness:
    def __init__(self, machine, seen):
        self.machine, self.seen = machine, seen
        self.used_nonces = set()
        self._watch_caps()

    def _watch_caps(self):
        book, exposure = self.machine.book, self.machine.book.exposure

        def watched(*arguments):
            cap = exposure(*arguments)
            if cap:
                self.seen["cap " + cap] += 1
            return cap

        book.exposure = watched

    def before(self, record):
        machine = self.machine
        self.breaker = machine.breaker.state
        self.last_grid = machine.last_grid
        self.waiting = set(machine.waiting)
        self.references = set(machine.references)
        self.pending = machine.config is not None and int(record["time"]) < machine.configuration.band_from

    def after(self, record, events, postings):
        kind = record["kind"]
        if kind in ("price_tick", "clock_tick"):
            self._grid_record(record, events)
        elif kind == "tap":
            self._tap(record, events)
        elif kind in ("deposit", "withdrawal", "house_deposit", "house_withdrawal", "goodwill"):
            if not events and not postings:
                self.seen["transfer repeated"] += 1
        elif kind == "config" and self.pending and events and "band_e4 is not yet" in events[0].get(
                "problem", ""):
            self.seen["config record refused for a pending W"] += 1
        self._bets(record, events)
        self._postings(postings)

    def _tap(self, record, events):
        if not events:
            self.seen["tap repeated"] += 1
        elif events[0]["type"] != "tap:refused":
            key = record["account"], record["nonce"]
            self.seen["nonce used again"] += key in self.used_nonces
            self.used_nonces.add(key)

    def _grid_record(self, record, events):
        machine, seen = self.machine, self.seen
        if machine.last_grid == self.last_grid:
            seen["grid record without effect"] += 1
            return
        if record["kind"] == "price_tick" and machine.last_grid not in machine.ticks:
            seen["price tick that counts as a clock tick"] += 1
            seen["price tick short of the quorum"] += int(record["sources"]) < machine.config["quorum"]
        if machine.breaker.state != self.breaker:
            seen["breaker %s to %s" % (self.breaker, machine.breaker.state)] += 1
        for which, v in (("fast", machine.volatility.fast), ("slow", machine.volatility.slow)):
            seen["%s variance at its least" % which] += v == clockwork.V_LEAST
            seen["%s variance at its most" % which] += v == clockwork.V_MOST
        columns = [e for e in events if e["type"] == "column:settled"]
        for column in columns:
            self._column(column)
        held_bets = [c for c in columns if c["bets"] != "0"]
        seen["several columns settled at once"] += len(held_bets) > 1
        seen["settled and priced in one step"] += bool(held_bets) and any(
            e["type"] == "bet:confirmed" for e in events)

    def _column(self, column):
        seen, machine = self.seen, self.machine
        if column["bets"] == "0":
            seen["column of no bets announced"] += 1
            return
        if column["state"] == "settled":
            seen["settled by %d ticks" % sum(t["price"] is not None for t in column["ticks"])] += 1
        seen["column settled under a later W"] += int(column["column"]) >= machine.configuration.band_from > 0
        bets = [b for b in machine.bets.values()
                if b.settled_seq == machine.seq and b.column == int(column["column"])]
        won = [b for b in bets if b.state == "won"]
        seen["column with two winners"] += len(won) > 1
        seen["bets of several epochs open"] += len({b.config for b in bets}) > 1
        price = column["price"] and int(column["price"])
        seen["win at the lower edge"] += any(b.lo == price for b in won)
        seen["lost at the upper edge"] += any(b.hi == price for b in bets if b.state == "lost")

    def _bets(self, record, events):
        seen, machine = self.seen, self.machine
        for event in events:
            if event["type"] == "bet:rejected":
                bet = machine.bets[int(event["bet"])]
                accepted = bet.accepted_at is not None
                seen[("accepted bet rejected " if accepted else "refused tap ") + event["reason"]] += 1
                if event["reason"] == "NO_PRICE":
                    late = bet.bet in self.waiting
                    seen["NO_PRICE by lateness" if late else "NO_PRICE of an old tick"] += 1
            elif event["type"] == "bet:confirmed":
                bet = machine.bets[int(event["bet"])]
                seen["bet on a band below zero"] += bet.band < 0
                column = machine.book.columns[bet.column]
                before = column.payouts[bet.band] - bet.payout
                seen["multiplier lowered by the skew"] += before > 0 and machine.config["skew_bp"] > 0

    def _postings(self, postings):
        for posting in postings:
            kind, account = posting["ref_type"], posting["account"]
            self.seen["negative d"] += (kind == "BET_CONFIRM" and account == "bankroll"
                                        and int(posting["amount"]) > 0)
            self.seen["win paid by what is reserved"] += (kind == "BET_WIN"
                                                         and account.startswith("reserved:"))
