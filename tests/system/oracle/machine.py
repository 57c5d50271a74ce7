"""The rules as a function of the journal's records: what each one does, by rules.md alone.

`Machine.apply(record)` takes one line of `tapline inspect --json` and returns (events, postings) as
`inspect --json --events` shows them.
"""

import heapq

import clockwork
import odds
from book import MONEY_MAX, Bet, Book, Broken, text
from config import Configuration
from ethereum import tap_text

NONCE_KEPT_MS = 90000
TAP_AGE_MS = 30000
TAP_AHEAD_MS = 5000
TRANSFER_MOST = 10**15
RULES = 1  # the version that this oracle knows
SESSION_MOST_MS = 24 * 3600 * 1000

TRANSFERS = {  # kind: (ref_type, from, to); {} is the account
    "deposit": ("DEPOSIT", "external", "available:{}"),
    "withdrawal": ("WITHDRAWAL", "available:{}", "external"),
    "house_deposit": ("HOUSE_DEPOSIT", "external", "bankroll"),
    "house_withdrawal": ("HOUSE_WITHDRAWAL", "bankroll", "external"),
    "goodwill": ("GOODWILL", "bankroll", "available:{}"),
}


# What the tables hold until a start record says otherwise.
LIMITS = {"accounts": 10**6, "open_bets": 10**6, "nonces": 10**6, "transfers": 2 * 10**6}


class Session:
    def __init__(self, record):
        self.account = record["account"]
        self.not_before, self.expires = int(record["not_before"]), int(record["expires"])
        self.per_tap, self.total = int(record["stake"]), int(record["total_stake"])
        self.total_loss = int(record["total_loss"])
        self.revoked = False
        self.bets = []  # accepted ones

    def problem(self, bet):
        if self.revoked or not self.not_before <= bet.time < self.expires:
            return "SESSION_EXPIRED"
        used = sum(b.stake for b in self.bets if b.state not in ("rejected", "void"))
        net = used - sum(b.paid for b in self.bets if b.state == "won")
        if (
            bet.stake > self.per_tap
            or used + bet.stake > self.total
            or net + bet.stake > self.total_loss
        ):
            return "SESSION_SCOPE"
        return None


class Machine:
    def __init__(self):
        self.configuration = Configuration()
        self.book = Book()
        self.breaker = clockwork.Breaker()
        self.breaker_since = None
        self.volatility = None
        self.ticks = {}  # g -> {price, sources, spread, set}, the valid ones
        self.last_grid = None
        self.bets = {}  # id -> Bet, all of them
        self.waiting = {}  # id -> Bet, in the order of ids
        self.nonces = {}  # (account, nonce) -> (signed text, bet id, message time + 90 s)
        self.nonce_ends = []  # heap of (message time + 90 s, key)
        self.references = {}  # external reference -> content
        self.limits = dict(LIMITS)
        self.sessions = {}
        self.results = {}  # T -> the column object of interface.md section 3
        self.seq = self.time = 0

    def apply(self, record):
        seq, time = int(record["seq"]), int(record["time"])
        if seq != self.seq + 1:
            raise Broken("seq %d follows %d" % (seq, self.seq))
        if time < self.time:
            raise Broken("engine time runs backward at seq %d" % seq)
        self.seq, self.time = seq, time
        self.events = []
        self.book.begin()
        kind = record["kind"]
        if kind == "config":
            self._config(record)
        elif kind == "price_tick" or kind == "clock_tick":
            self._grid(record, kind == "price_tick")
        elif kind == "tap":
            self._tap(record)
        elif kind in TRANSFERS:
            self._transfer(record, *TRANSFERS[kind])
        elif kind == "session_grant":
            self._grant(record)
        elif kind == "session_revoke":
            self._revoke(record)
        elif kind == "start":
            self._start(record)
        elif kind == "rules_change":
            self._rules_change(record)
        elif kind not in ("attest", "recovery"):
            raise Broken("a kind that the oracle does not know: " + kind)
        self.book.check()
        return self.events, self.book.postings

    @property
    def config(self):
        return self.configuration.now

    def _tell(self, type, **fields):
        self.events.append({"type": type, **{k: text(v) for k, v in fields.items()}})

    # --- capacities and rules --------------------------------------------------------------------

    def _start(self, record):
        for name in LIMITS:
            if name in record:
                self.limits[name] = int(record[name])

    def _rules_change(self, record):
        if int(record["version"]) > RULES:
            raise Broken("rules that the oracle does not know: version %s" % record["version"])
        self._tell("rules:refused", reason="BAD_REQUEST")

    def _tables_are_full(self):
        if sum(len(cells) for cells in self.book.open.values()) >= self.limits["open_bets"]:
            return True
        live = sum(1 for known in self.nonces.values() if known[2] >= self.time)
        return live >= self.limits["nonces"]

    # --- configuration and transfers -------------------------------------------------------------

    def _config(self, record):
        wrong = self.configuration.change(record, self.time)
        if wrong:
            self._tell("config:refused", problem=wrong)
            return
        if self.configuration.epoch == 1:
            self.volatility = clockwork.Volatility(self.config)
        for bet in list(self.waiting.values()):
            self._reject_waiting(bet, "CONFIG_CHANGED", None)

    def _transfer(self, record, ref_type, source, target):
        account = record.get("account")
        amount, reference = int(record["amount"]), record["ref"]
        reason = self._transfer_problem(record["kind"], account, amount, reference)
        if reason == "repeated":
            return
        if reason:
            self._tell("transfer:refused", reason=reason)
            return
        self.references[reference] = (record["kind"], account, amount)
        if record["kind"] == "deposit":
            self.book.users.setdefault(account, len(self.book.users) + 1)
        self.book.post(
            ref_type, reference, (source.format(account), -amount), (target.format(account), amount)
        )

    def _transfer_problem(self, kind, account, amount, reference):
        balances = self.book.balances
        if self.config is None:
            return "NOT_FOUND"
        if not 1 <= len(reference) <= 64 or any(not " " <= c <= "~" for c in reference):
            return "BAD_REQUEST"
        if reference in self.references:
            same = self.references[reference] == (kind, account, amount)
            return "repeated" if same else "NONCE_REUSED"
        if not 1 <= amount <= TRANSFER_MOST or len(self.references) >= self.limits["transfers"]:
            return "LIMIT"
        if kind == "goodwill" and account not in self.book.users:
            return "NOT_FOUND"
        if kind in ("house_withdrawal", "goodwill"):
            if balances["bankroll"] - amount < self.config["house_reserve"]:
                return "INSUFFICIENT_FUNDS"
        if kind == "withdrawal" and self.book.available(account) < amount:
            return "INSUFFICIENT_FUNDS"
        if kind in ("deposit", "house_deposit"):
            if -balances["external"] + amount > MONEY_MAX:
                return "LIMIT"
        if kind == "deposit" and account not in self.book.users:
            if len(self.book.users) >= self.limits["accounts"]:
                return "LIMIT"
        return None

    # --- sessions --------------------------------------------------------------------------------

    def _grant(self, record):
        not_before, expires = int(record["not_before"]), int(record["expires"])
        if not self.time < expires <= self.time + SESSION_MOST_MS or not_before >= expires:
            self._tell("session:refused", reason="SESSION_EXPIRED")
            return
        self.sessions[self.seq] = Session(record)

    def _revoke(self, record):
        session = self.sessions.get(int(record["session"]))
        if session is None:
            self._tell("session:refused", reason="NOT_FOUND")
        else:
            session.revoked = True

    # --- taps (section 6.2 and 6.3) --------------------------------------------------------------

    def _tap(self, record):
        signed, message_time = tap_text(record), int(record["msg_time"])
        key = record["account"], record["nonce"]
        who = {"account": record["account"], "nonce": record["nonce"]}
        if self.config is None:
            self._tell("tap:refused", reason="NOT_FOUND", **who)
            return
        known = self.nonces.get(key)
        # Kept until its 90 s are over, whether or not a grid record has dropped it since.
        if known and known[2] >= self.time:
            if known[0] != signed:
                self._tell("tap:refused", reason="NONCE_REUSED", **who)
            return
        if not self.time - TAP_AGE_MS <= message_time <= self.time + TAP_AHEAD_MS:
            self._tell("tap:refused", reason="TIME_SKEW", **who)
            return
        if self._tables_are_full():
            self._tell("tap:refused", reason="OVERLOADED", **who)
            return
        bet = Bet(record, self.configuration.band_width(int(record["column"])))
        self.nonces[key] = signed, bet.bet, message_time + NONCE_KEPT_MS
        heapq.heappush(self.nonce_ends, (message_time + NONCE_KEPT_MS, key))
        self.bets[bet.bet] = bet
        reason = self._tap_problem(bet)
        if reason:
            self._rejected(bet, reason)
            return
        bet.state, bet.accepted_at, bet.accepted_seq = "accepted", self.time, self.seq
        self.book.hold(bet)
        if bet.session is not None:
            self.sessions[bet.session].bets.append(bet)
        self._tell(
            "bet:accepted",
            bet=bet.bet,
            nonce=bet.nonce,
            column=bet.column,
            band=bet.band,
            stake=bet.stake,
            min_mult=bet.min_mult,
        )
        self.waiting[bet.bet] = bet
        if self.config["pricing_delay_ms"] == 0:
            last = self.breaker.last
            if last is None or self.time - last > 1000:
                self._reject_waiting(bet, "NO_PRICE", None)
            else:
                self._price(bet, last)

    def _tap_problem(self, bet):
        """Steps (b) to (h): the first that fails gives the reason."""
        config, t = self.config, bet.time
        if bet.config != self.configuration.epoch:
            return "CONFIG_CHANGED"
        if bet.session is not None:
            session = self.sessions.get(bet.session)
            if session is None or session.account != bet.account:
                return "SESSION_EXPIRED"
            reason = session.problem(bet)
            if reason:
                return reason
        if not config["stake_min"] <= bet.stake <= config["stake_max"]:
            return "LIMIT"
        if (
            bet.min_mult > odds.MULT_MOST
            or len(self.book.open[bet.account]) >= config["open_bets_max"]
        ):
            return "LIMIT"
        if bet.market != config["market"] or bet.column % config["column_ms"]:
            return "CELL_CLOSED"
        if bet.column - t < config["min_lead_ms"]:
            return "TOO_LATE"
        if bet.column > self.configuration.last_offered(t):
            return "TOO_EARLY"
        if not self.breaker.lets_bet(t, config) or self.volatility.samples < config["vol_warmup"]:
            return "BREAKER"
        if bet.cell in self.book.open[bet.account]:
            return "CELL_TAKEN"
        if self.book.available(bet.account) < bet.stake:
            return "INSUFFICIENT_FUNDS"
        return None

    def _multiplier(self, bet, tick_time):
        """The multiplier of the bet's cell at a tick, 0 when the cell is not offered."""
        config, price = self.config, self.ticks[tick_time]["price"]
        width = self.configuration.band_width(bet.column)
        if abs(bet.band - price // width) > (config["bands"] - 1) // 2:
            return 0
        p = odds.probability(
            price,
            self.volatility.fast,
            self.volatility.slow,
            bet.column - tick_time,
            bet.band * width,
            (bet.band + 1) * width,
        )
        column = self.book.columns.get(bet.column)
        payouts = column.payouts.get(bet.band, 0) if column else 0
        m = odds.skewed(
            odds.raw_multiplier(p, config["edge_bp"]),
            config["skew_bp"],
            payouts,
            config["cell_payout_max"],
        )
        return m if odds.in_range(m) else 0

    def _price(self, bet, tick_time):
        """Section 6.3: confirms the bet at a valid tick, or rejects it."""
        m = 0
        if self.breaker.state != "HEALTHY":
            reason = "BREAKER"
        elif bet.column - tick_time < self.config["min_lead_ms"]:
            reason = "TOO_LATE"
        else:
            m = self._multiplier(bet, tick_time)
            payout = bet.stake * m // 100
            if m == 0:
                reason = "CELL_CLOSED"
            elif m < bet.min_mult:
                reason = "PRICE_MOVED"
            else:
                reason = "EXPOSURE" if self.book.exposure(bet, payout, self.config) else None
        if reason:
            self._reject_waiting(bet, reason, tick_time)
            return
        del self.waiting[bet.bet]
        bet.state, bet.mult, bet.payout = "confirmed", m, payout
        bet.priced_at, bet.priced_seq = self.time, self.seq
        bet.tick, bet.price = tick_time, self.ticks[tick_time]["price"]
        self.book.confirm(bet)
        self._tell(
            "bet:confirmed", bet=bet.bet, mult=m, payout=payout, tick=bet.tick, price=bet.price
        )

    def _reject_waiting(self, bet, reason, tick_time):
        del self.waiting[bet.bet]
        self.book.release(bet)
        if tick_time is not None:
            bet.tick, bet.price = tick_time, self.ticks[tick_time]["price"]
        self._rejected(bet, reason)

    def _rejected(self, bet, reason):
        bet.state, bet.reason = "rejected", reason
        bet.priced_at, bet.priced_seq = self.time, self.seq
        self._tell("bet:rejected", bet=bet.bet, nonce=bet.nonce, reason=reason)

    # --- grid records (section 3) ----------------------------------------------------------------

    def _grid(self, record, has_price):
        g, config = int(record["grid"]), self.config
        if (
            config is None
            or g % config["tick_ms"]
            or g > self.time
            or (self.last_grid is not None and g <= self.last_grid)
        ):
            return
        self.last_grid = g
        valid = has_price and clockwork.is_valid(record, config)
        changed = self.breaker.step(g, valid, config)
        if changed:
            self.breaker_since = g
            self._tell("breaker", state=changed)
        tick = None
        if valid:
            tick = {k: int(record[k]) for k in ("price", "sources", "spread", "set")}
            self.ticks[g] = tick
            if g % 1000 == 0 and g - 1000 in self.ticks:
                self.volatility.sample(tick["price"], self.ticks[g - 1000]["price"])
        self._tell(
            "index:tick",
            tick=g,
            price=tick and tick["price"],
            sources=tick and tick["sources"],
            spread=tick and tick["spread"],
        )
        self._settle_columns(g)
        self._serve_waiting(g, valid)
        self._forget_nonces()

    def _serve_waiting(self, g, valid):
        delay = self.config["pricing_delay_ms"]
        for bet in list(self.waiting.values()):
            if g < bet.time + delay:
                continue
            if g > bet.time + delay + 2000:
                self._reject_waiting(bet, "NO_PRICE", None)
            elif valid:
                self._price(bet, g)

    def _forget_nonces(self):
        while self.nonce_ends and self.nonce_ends[0][0] < self.time:
            end, key = heapq.heappop(self.nonce_ends)
            if self.nonces[key][2] == end:  # else it is in use again, with a later end
                del self.nonces[key]

    # --- settlement (sections 6.4 and 6.5) -------------------------------------------------------

    def _settle_columns(self, g):
        due = {t for t in self.book.columns if t <= g}
        if g % self.config["column_ms"] == 0:
            due.add(g)
        for t in sorted(due):
            self._settle(t, g)

    def _settle(self, t, g):
        tick_ms, width = self.config["tick_ms"], self.configuration.band_width(t)
        price = clockwork.settlement_price(self.ticks, t, tick_ms)
        void = clockwork.void_reason(
            self.ticks, t, g, tick_ms, self.breaker.state == "HEALTHY", width
        )
        column = self.book.columns.get(t)
        bets = sorted(column.bets, key=lambda b: b.bet) if column else []
        stakes = sum(b.stake for b in bets)
        for bet in bets:
            self._settle_bet(bet, void, price, width)
        if column:
            self.book.close(t)
        ticks = []
        for at in clockwork.five_times(t, tick_ms):
            tick = self.ticks.get(at, {})
            ticks.append(
                {"time": str(at), **{k: text(tick.get(k)) for k in ("price", "sources", "set")}}
            )
        shown = {
            "column": t,
            "band_e4": width,
            "state": "void" if void else "settled",
            "reason": void,
            "price": price,
            "band": None if price is None else price // width,
            "ticks": ticks,
            "bets": len(bets),
            "stakes": stakes,
            "paid": sum(b.paid for b in bets),
        }
        self._tell("column:settled", **shown)
        self.results[t] = {k: v for k, v in self.events[-1].items() if k != "type"}

    def _settle_bet(self, bet, void, price, width):
        if void:
            bet.state, bet.reason, bet.paid = "void", void, bet.stake
            self.book.void(bet)
        elif bet.band * width <= price < (bet.band + 1) * width:
            bet.state, bet.paid = "won", bet.payout
            self.book.win(bet)
        else:
            bet.state = "lost"
            self.book.lose(bet)
        bet.settled_at, bet.settled_seq, bet.settle_price = self.time, self.seq, price
        self._tell(
            "bet:settled",
            bet=bet.bet,
            result=bet.state,
            paid=bet.paid,
            settle_price=price,
            reason=bet.reason,
        )
