"""What a run of random histories must have shown, so that its silence means something.

A Witness looks at the oracle's machine before and after each record and counts the corners that
events alone do not name: which cap refused a bet, how many ticks made a settlement price.
"""

import clockwork
from book import Column

# Every reason by which the rules refuse or void something without a session (rules.md 6, 7 and 8).
REASONS = [
    "bet:rejected " + reason for reason in (
        "CONFIG_CHANGED", "LIMIT", "CELL_CLOSED", "TOO_LATE", "TOO_EARLY", "BREAKER", "CELL_TAKEN",
        "INSUFFICIENT_FUNDS", "NO_PRICE", "PRICE_MOVED", "EXPOSURE", "SESSION_EXPIRED")
] + ["tap:refused " + reason for reason in ("TIME_SKEW", "NONCE_REUSED", "NOT_FOUND", "OVERLOADED")] + [
    "transfer:refused " + reason
    for reason in ("LIMIT", "NONCE_REUSED", "NOT_FOUND", "BAD_REQUEST", "INSUFFICIENT_FUNDS")
] + ["config:refused", "rules:refused BAD_REQUEST"]

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
        "CONFIG_CHANGED", "NO_PRICE", "BREAKER", "TOO_LATE", "CELL_CLOSED", "PRICE_MOVED",
        "EXPOSURE")
] + ["refused tap " + reason for reason in (
    "CONFIG_CHANGED", "BREAKER", "TOO_LATE", "CELL_CLOSED")
] + ["cap " + name for name in ("cell_payout_max", "column_loss_max", "house_reserve")] + [
    "settled by %d ticks" % count for count in (3, 4, 5)
] + [
    "%s variance at its %s" % (which, end)
    for which in ("fast", "slow") for end in ("least", "most")
] + [
    "NO_PRICE by lateness", "NO_PRICE of an old tick", "negative d", "column of no bets announced",
    "column settled under a later W", "bets of several epochs open", "tap repeated",
    "nonce used again", "transfer repeated", "grid record without effect",
    "price tick that counts as a clock tick", "price tick short of the quorum",
    "win paid by what is reserved", "column with two winners", "several columns settled at once",
    "settled and priced in one step", "config record refused for a pending W",
    "win at the lower edge", "lost at the upper edge", "multiplier lowered by the skew",
    "bet on a band below zero"]

# The last value that is still on the right side of a comparison.
EDGES = ["edge: " + name for name in (
    "payouts of the cell at their cap", "loss of the column at its cap", "bankroll at the reserve",
    "nonce in its last ms", "message 30,000 ms old", "message 5,000 ms ahead", "lead at its least",
    "last column on offer", "tick as old as betting allows", "tick 1,000 ms old", "priced at t + D",
    "decided at t + D + 2,000", "priced with the least lead", "multiplier at min_mult",
    "multiplier 105", "multiplier 5,000", "stake at its least", "stake at its most",
    "last open bet", "all of the balance staked", "account emptied",
    "bankroll drawn to the reserve", "amount 10^15", "reference of 64 letters",
    "gap of degraded_ms", "gap of critical_ms", "spread at its widest",
    "jump of half a band", "W changed at F")]

WANTED = REASONS + RESULTS + POSTINGS + TURNS + CORNERS + EDGES


def missing(seen):
    return [label for label in WANTED if not seen[label]]


class Witness:
    def __init__(self, machine, seen):
        self.machine, self.seen = machine, seen
        self.used_nonces = set()
        self._watch_caps()

    def _watch_caps(self):
        book, exposure = self.machine.book, self.machine.book.exposure

        def watched(bet, payout, config):
            cap = exposure(bet, payout, config)
            if cap:
                self.seen["cap " + cap] += 1
            else:
                self._met_caps(bet, payout, config)
            return cap

        book.exposure = watched

    def _edge(self, name, reached):
        self.seen["edge: " + name] += bool(reached)

    def _met_caps(self, bet, payout, config):
        book = self.machine.book
        column = book.columns.get(bet.column) or Column()
        after = column.loss_with(bet.band, payout, bet.stake)
        d = max(after, 0) - max(column.loss(), 0)
        self._edge("payouts of the cell at their cap",
                   column.payouts.get(bet.band, 0) + payout == config["cell_payout_max"])
        self._edge("loss of the column at its cap", after == config["column_loss_max"])
        self._edge("bankroll at the reserve",
                   d > 0 and book.balances["bankroll"] - d == config["house_reserve"])

    def before(self, record):
        machine = self.machine
        self.last_tick = machine.breaker.last
        self.band_from = machine.configuration.band_from
        known = record["kind"] == "tap" and machine.nonces.get((record["account"], record["nonce"]))
        self._edge("nonce in its last ms", known and known[2] == int(record["time"]))
        self.breaker = machine.breaker.state
        self.last_grid = machine.last_grid
        self.waiting = set(machine.waiting)
        self.references = set(machine.references)
        self.pending = machine.config is not None and int(record["time"]) < self.band_from

    def after(self, record, events, postings):
        kind = record["kind"]
        if kind in ("price_tick", "clock_tick"):
            self._grid_record(record, events)
        elif kind == "tap":
            self._tap(record, events)
        elif kind in ("deposit", "withdrawal", "house_deposit", "house_withdrawal", "goodwill"):
            if not events and not postings:
                self.seen["transfer repeated"] += 1
            elif not events:
                self._transfer(record)
        elif kind == "config" and self.band_from == int(record["time"]):
            self._edge("W changed at F", self.machine.configuration.band_from != self.band_from)
        elif kind == "config" and self.pending and events and "band_e4 is not yet" in events[0].get(
                "problem", ""):
            self.seen["config record refused for a pending W"] += 1
        self._bets(record, events)
        self._postings(postings)

    def _tap(self, record, events):
        if not events:
            self.seen["tap repeated"] += 1
        elif events[0]["type"] != "tap:refused":
            self._tap_edges(record, events)
            key = record["account"], record["nonce"]
            self.seen["nonce used again"] += key in self.used_nonces
            self.used_nonces.add(key)

    def _tap_edges(self, record, events):
        machine, config, t = self.machine, self.machine.config, int(record["time"])
        bet = machine.bets[machine.seq]
        self._edge("message 30,000 ms old", t - int(record["msg_time"]) == 30000)
        self._edge("message 5,000 ms ahead", int(record["msg_time"]) - t == 5000)
        if bet.accepted_at is None:
            return
        self._edge("lead at its least", bet.column - t == config["min_lead_ms"])
        self._edge("last column on offer", bet.column == machine.configuration.last_offered(t))
        self._edge("tick as old as betting allows", t - self.last_tick == config["degraded_ms"])
        self._edge("tick 1,000 ms old", t - self.last_tick == 1000 and bet.tick is not None)
        self._edge("stake at its least", bet.stake == config["stake_min"])
        self._edge("stake at its most", bet.stake == config["stake_max"])
        self._edge("last open bet", len(machine.book.open[bet.account]) == config["open_bets_max"])
        self._edge("all of the balance staked", bet.state in ("accepted", "confirmed")
                   and machine.book.available(bet.account) == 0)

    def _transfer(self, record):
        book, kind, amount = self.machine.book, record["kind"], int(record["amount"])
        self._edge("account emptied",
                   kind == "withdrawal" and book.available(record["account"]) == 0)
        self._edge("bankroll drawn to the reserve", kind in ("house_withdrawal", "goodwill")
                   and book.balances["bankroll"] == self.machine.config["house_reserve"])
        self._edge("amount 10^15", amount == 10**15)
        self._edge("reference of 64 letters", len(record["ref"]) == 64)

    def _grid_record(self, record, events):
        machine, seen = self.machine, self.seen
        if machine.last_grid == self.last_grid:
            seen["grid record without effect"] += 1
            return
        if record["kind"] == "price_tick" and machine.last_grid not in machine.ticks:
            seen["price tick that counts as a clock tick"] += 1
            short = int(record["sources"]) < machine.config["quorum"]
            seen["price tick short of the quorum"] += short
        if machine.breaker.state != self.breaker:
            seen["breaker %s to %s" % (self.breaker, machine.breaker.state)] += 1
        if self.last_tick is not None:
            gap = machine.last_grid - self.last_tick
            self._edge("gap of degraded_ms", gap == machine.config["degraded_ms"])
            self._edge("gap of critical_ms", gap == machine.config["critical_ms"])
        if machine.last_grid in machine.ticks:
            self._edge("spread at its widest", int(record["spread"]) * 1000 == int(record["price"])
                       or int(record["spread"]) == int(record["price"]) // 1000 > 0)
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
            self._edge("jump of half a band", self._jumps_half(column))
            seen["settled by %d ticks" % sum(t["price"] is not None for t in column["ticks"])] += 1
        band_from = machine.configuration.band_from
        seen["column settled under a later W"] += int(column["column"]) >= band_from > 0
        bets = [b for b in machine.bets.values()
                if b.settled_seq == machine.seq and b.column == int(column["column"])]
        won = [b for b in bets if b.state == "won"]
        seen["column with two winners"] += len(won) > 1
        seen["bets of several epochs open"] += len({b.config for b in bets}) > 1
        price = column["price"] and int(column["price"])
        seen["win at the lower edge"] += any(b.lo == price for b in won)
        seen["lost at the upper edge"] += any(b.hi == price for b in bets if b.state == "lost")

    def _jumps_half(self, column):
        valid = [t for t in column["ticks"] if t["price"] is not None]
        return any(a["set"] != b["set"]
                   and 2 * abs(int(a["price"]) - int(b["price"])) == int(column["band_e4"])
                   for a, b in zip(valid, valid[1:]))

    def _confirmed(self, bet):
        config = self.machine.config
        self._edge("multiplier at min_mult", bet.mult == bet.min_mult)
        self._edge("multiplier 105", bet.mult == 105)
        self._edge("multiplier 5,000", bet.mult == 5000)
        self._edge("priced with the least lead", bet.column - bet.tick == config["min_lead_ms"])
        delay = config["pricing_delay_ms"]
        self._edge("priced at t + D", delay > 0 and bet.tick == bet.time + delay)

    def _last_moment(self, bet):
        delay = self.machine.config["pricing_delay_ms"]
        self._edge("decided at t + D + 2,000",
                   delay > 0 and bet.tick is not None and bet.tick == bet.time + delay + 2000)

    def _bets(self, record, events):
        seen, machine = self.seen, self.machine
        for event in events:
            if event["type"] == "bet:rejected":
                bet = machine.bets[int(event["bet"])]
                what = "refused tap " if bet.accepted_at is None else "accepted bet rejected "
                seen[what + event["reason"]] += 1
                self._last_moment(bet)
                if event["reason"] == "NO_PRICE":
                    late = bet.bet in self.waiting
                    seen["NO_PRICE by lateness" if late else "NO_PRICE of an old tick"] += 1
            elif event["type"] == "bet:confirmed":
                bet = machine.bets[int(event["bet"])]
                self._confirmed(bet)
                self._last_moment(bet)
                seen["bet on a band below zero"] += bet.band < 0
                column = machine.book.columns[bet.column]
                before = column.payouts[bet.band] - bet.payout
                skewed = before > 0 and machine.config["skew_bp"] > 0
                seen["multiplier lowered by the skew"] += skewed

    def _postings(self, postings):
        for posting in postings:
            kind, account = posting["ref_type"], posting["account"]
            self.seen["negative d"] += (kind == "BET_CONFIRM" and account == "bankroll"
                                        and int(posting["amount"]) > 0)
            self.seen["win paid by what is reserved"] += (kind == "BET_WIN"
                                                         and account.startswith("reserved:"))
