"""`tapline explain --all --json` against the rules: every figure of every bet derived again.

Two ways, so that neither can hide a mistake of the other: from the journal's inputs by the oracle's
own state machine (which ticks, which variances, what the column held), and from the figures that
the story itself names (v and tau give the deviation, that gives p, p and the edge give the
multiplier, ...). Nothing is shared with the program.
"""

import re
from math import isqrt

import odds
from ethereum import recover, tap_text
from index import median
from machine import Machine


class Wrong(Exception):
    def __init__(self, bet, what, derived, told):
        super().__init__("bet %s: %s: derived %r, the story says %r" % (bet, what, derived, told))


class Recorder(Machine):
    """The oracle's machine, which also notes what each bet was priced with and what it moved."""

    def __init__(self):
        super().__init__()
        self.taps = {}  # seq -> the record
        self.priced = {}  # bet -> what it was priced with
        self.rows = {}  # bet -> its ledger rows
        self.attests = {}  # of_seq -> digest
        self.settling = {}  # T -> grid time of the record that settled it

    def apply(self, record):
        events, postings = super().apply(record)
        if record["kind"] == "tap":
            self.taps[self.seq] = record
        elif record["kind"] == "attest":
            self.attests[record["of_seq"]] = record["digest"]
        for posting in postings:
            if posting["ref_type"].startswith("BET_"):
                row = {**posting, "seq": str(self.seq), "at": str(self.time)}
                row["account"] = posting["account"].partition(":")[0]
                self.rows.setdefault(int(posting["ref_id"]), []).append(row)
        return events, postings

    def _price(self, bet, tick_time):
        column, book, config = self.book.columns.get(bet.column), self.book, self.config
        largest = max(column.payouts.values(), default=0) if column else 0
        self.priced[bet.bet] = {
            "tick": tick_time,
            "price": self.ticks[tick_time]["price"],
            "tau_ms": bet.column - tick_time,
            "min_lead_ms": config["min_lead_ms"],
            "band_e4": self.configuration.band_width(bet.column),
            "samples": self.volatility.samples,
            "v_fast": self.volatility.fast,
            "v_slow": self.volatility.slow,
            "edge_bp": config["edge_bp"],
            "skew_bp": config["skew_bp"],
            "cell_payouts": column.payouts.get(bet.band, 0) if column else 0,
            "cell_payout_max": config["cell_payout_max"],
            "column_stakes": column.stakes if column else 0,
            "column_payout": largest,
            "column_loss_max": config["column_loss_max"],
            "bankroll": book.balances["bankroll"],
            "house_reserve": config["house_reserve"],
            "min_mult": bet.min_mult,
        }
        self.priced[bet.bet]["healthy"] = self.breaker.state == "HEALTHY"
        self.priced[bet.bet]["reach"] = (config["bands"] - 1) // 2
        super()._price(bet, tick_time)

    def _settle(self, t, g):
        self.settling[t] = g
        super()._settle(t, g)


PAYOUT_STEPS = {1: 1}  # by the version of the rules
HIDDEN = ("healthy", "reach")  # of the verdict; the story does not show them


def number(of, name):
    value = of[name]
    if not isinstance(value, str) or not re.fullmatch(r"0|-?[1-9][0-9]*", value):
        raise ValueError("%s is %r, not a string of digits" % (name, value))
    return int(value)


class Checker:
    def __init__(self, machine, signatures=0):
        self.machine = machine
        self.signatures = signatures  # how many to recover: each takes some milliseconds
        self.seen = set()
        self.digests = {}  # seq -> digest after it, as far as stories told
        self.counts = {}

    def story(self, story):
        bet = story["bet"]
        if bet is None or bet["bet"] in self.seen:
            raise ValueError("a line without a bet of its own: %r" % story["tap"])
        self.seen.add(bet["bet"])
        self.id = int(bet["bet"])
        self.mine = self.machine.bets[self.id]
        if story["recomputed"] != "equal":
            self._equal("recomputed", "equal", story["recomputed"])
        self._bet(bet)
        self._tap(story)
        self._pricing(bet, story["pricing"])
        self._settlement(bet, story["settlement"])
        self._ledger(bet, story["ledger"])
        self._steps(bet, story["steps"])
        key = "%s %s" % (bet["state"], bet["reason"] or "")
        self.counts[key.strip()] = self.counts.get(key.strip(), 0) + 1

    def finish(self):
        """Every bet was told, and digests fit those that the journal attests."""
        missing = {str(b) for b in self.machine.bets} - self.seen
        if missing:
            raise ValueError("bets without a story: %s" % sorted(missing, key=int)[:5])
        attested = 0
        for seq, digest in self.machine.attests.items():
            if seq in self.digests:
                attested += 1
                if self.digests[seq] != digest:
                    raise ValueError("digest after seq %s: attested %s" % (seq, digest))
        return attested

    def _equal(self, what, derived, told):
        if derived != told:
            raise Wrong(self.id, what, derived, told)

    def _bet(self, bet):
        # The program may show what the rules leave open: the tick of a rejected bet, paid 0.
        for name, value in self.mine.shown().items():
            told = bet[name]
            if self.mine.accepted_seq is None and name in ("market", "lo", "hi"):
                continue
            if name == "paid" and told is None:
                told = "0"
            if name == "settle_price" and self.mine.reason in ("DOWN", "NO_TICKS"):
                value = None  # what ticks there are decide nothing
            self._equal("bet." + name, value, told)
        steps = (self.mine.accepted_seq, self.mine.priced_seq, self.mine.settled_seq)
        self._equal("bet.seq", str(max(s for s in steps if s is not None)), bet["seq"])

    def _tap(self, story):
        record, tap = self.machine.taps[self.id], story["tap"]
        self._equal("signed_text", tap_text(record), story["signed_text"])
        for name in ("seq", "time", "msg_time", "account", "sig"):
            self._equal("tap." + name, record[name], tap[name])
        if len(record["sig"]) != 2 + 2 * 65:
            self._equal("tap.signature", "not checked: of a session key", tap["signature"])
        elif self.signatures > 0:
            self.signatures -= 1
            good = recover(story["signed_text"], tap["sig"]) == tap["account"]
            self._equal("tap.signature", "good" if good else "wrong", tap["signature"])

    # --- pricing ---------------------------------------------------------------------------------

    def _pricing(self, bet, pricing):
        note = self.machine.priced.get(self.id)
        if note is None or pricing is None:
            self._equal("pricing", note, pricing)
            return
        for name, value in note.items():
            if name not in HIDDEN:
                self._equal("pricing." + name, value, number(pricing, name))
        for name in ("lo", "hi"):
            self._equal("pricing." + name, bet[name], pricing[name])
        self._equal("pricing.seq", bet["priced_seq"], pricing["seq"])
        self._equal("pricing.time", bet["priced_at"], pricing["time"])
        self._probability(pricing)
        self._multiplier(bet, pricing)
        self._verdict(bet, note, pricing)

    def _probability(self, pricing):
        """From v, tau and S to p, with the names the story gives them."""
        fast, slow = number(pricing, "v_fast"), number(pricing, "v_slow")
        price, tau = number(pricing, "price"), number(pricing, "tau_ms")
        middle = (fast + slow) >> 1
        low = max(min(fast, slow), middle >> 1)
        high = min(max(fast, slow), middle << 1)
        best = 0
        told = pricing["variances"]
        self._equal("variances", ["low", "middle", "high"], [v["name"] for v in told])
        for v, one in zip((low, middle, high), told):
            relative = isqrt(v * max(tau, 0) // 1000)
            deviation = max(price * relative >> 24, 256)
            # One cell at one deviation: all three v are the same.
            p = odds.probability(
                price, v, v, max(tau, 0), number(pricing, "lo"), number(pricing, "hi")
            )
            for name, value in (("v", v), ("rel", relative), ("sd", deviation), ("p", p)):
                self._equal("%s %s" % (one["name"], name), value, number(one, name))
            best = max(best, p)
        self._equal("pricing.p", best, number(pricing, "p"))

    def _multiplier(self, bet, pricing):
        raw = odds.raw_multiplier(number(pricing, "p"), number(pricing, "edge_bp"))
        self._equal("mult_before_skew", raw, number(pricing, "mult_before_skew"))
        m = odds.skewed(
            raw,
            number(pricing, "skew_bp"),
            number(pricing, "cell_payouts"),
            number(pricing, "cell_payout_max"),
        )
        self._equal("pricing.mult", m, number(pricing, "mult"))
        rules = getattr(self.machine, "rules", 1)
        self._equal("pricing.rules", rules, number(pricing, "rules"))
        self._equal("pricing.payout_step", PAYOUT_STEPS[rules], number(pricing, "payout_step"))
        payout = number(bet, "stake") * m // 100
        payout -= payout % PAYOUT_STEPS[rules]
        self._equal("pricing.payout", payout, number(pricing, "payout"))
        if bet["mult"] is not None:
            self._equal("bet.mult", str(m), bet["mult"])
            self._equal("bet.payout", str(payout), bet["payout"])

    def _verdict(self, bet, note, pricing):
        stake, payout = number(bet, "stake"), number(pricing, "payout")
        cell = number(pricing, "cell_payouts") + payout
        stakes, largest = number(pricing, "column_stakes"), number(pricing, "column_payout")
        after = max(largest, cell) - stakes - stake
        d = max(after, 0) - max(largest - stakes, 0)
        self._equal("set_aside_change", d, number(pricing, "set_aside_change"))
        m = number(pricing, "mult")
        centre = number(pricing, "price") // number(pricing, "band_e4")
        short = number(pricing, "bankroll") - d < number(pricing, "house_reserve")
        if not note["healthy"]:
            verdict = "BREAKER"
        elif number(pricing, "tau_ms") < number(pricing, "min_lead_ms"):
            verdict = "TOO_LATE"
        elif abs(number(bet, "band") - centre) > note["reach"] or not odds.in_range(m):
            verdict = "CELL_CLOSED"
        elif m < number(pricing, "min_mult"):
            verdict = "PRICE_MOVED"
        elif (
            cell > number(pricing, "cell_payout_max")
            or after > number(pricing, "column_loss_max")
            or (d > 0 and short)
        ):
            verdict = "EXPOSURE"
        else:
            verdict = "confirmed"
        self._equal("verdict", verdict, pricing["verdict"])
        self._equal("reason", bet["reason"] if bet["state"] == "rejected" else "confirmed", verdict)

    # --- settlement ------------------------------------------------------------------------------

    def _settlement(self, bet, settlement):
        if bet["state"] not in ("won", "lost", "void"):
            self._equal("settlement", None, settlement)
            return
        column = self.machine.results[int(bet["column"])]
        ticks = settlement["ticks"]
        self._equal("five ticks", [t["time"] for t in column["ticks"]], [t["time"] for t in ticks])
        for mine, told in zip(column["ticks"], ticks):
            self._equal("price of tick " + mine["time"], mine["price"], told["price"])
            for name in ("set", "sources"):
                self._equal(name + " of tick " + mine["time"], mine[name] or "0", told[name])
        grid = self.machine.settling[int(bet["column"])]
        self._equal("grid", str(grid), settlement["grid"])
        prices = [int(t["price"]) for t in ticks if t["price"] is not None]
        self._equal("valid", str(len(prices)), settlement["valid"])
        self._equal("median", str(median(prices)) if prices else None, settlement["median"])
        self._equal("reason", column["reason"], bet["reason"])
        self._equal("settlement.reason", bet["reason"], settlement.get("reason"))
        self._equal("settlement.result", bet["state"], settlement["result"])
        self._equal("settlement.seq", bet["settled_seq"], settlement["seq"])
        self._equal("settlement.time", bet["settled_at"], settlement["time"])
        self._equal("settlement.settle_price", bet["settle_price"], settlement["settle_price"])
        if bet["state"] == "void":
            self._equal("paid", bet["stake"], settlement["paid"])
            return
        if grid != int(bet["column"]) or len(prices) < 3:
            self._equal("a settlement without a price", "void", bet["state"])
        price = median(prices)
        self._equal("settle_price", str(price), settlement["settle_price"])
        won = number(bet, "lo") <= price < number(bet, "hi")
        self._equal("result", "won" if won else "lost", bet["state"])
        self._equal("paid", bet["payout"] if won else "0", settlement["paid"])

    # --- money and digests -----------------------------------------------------------------------

    def _ledger(self, bet, rows):
        mine = self.machine.rows.get(self.id, [])
        self._equal("ledger rows", len(mine), len(rows))
        total = available = 0
        for a, b in zip(mine, rows):
            for name in sorted(a):
                self._equal("ledger " + name, a[name], b[name])
            total += number(b, "amount")
            available += number(b, "amount") if b["account"] == "available" else 0
        self._equal("sum of the ledger", 0, total)
        staked = number(bet, "stake") if bet["accepted_seq"] and bet["state"] != "rejected" else 0
        self._equal("what the player's rows come to", int(bet["paid"] or 0) - staked, available)

    def _steps(self, bet, steps):
        expected = []
        if bet["accepted_seq"]:
            expected.append(("accepted", bet["accepted_seq"], bet["accepted_at"]))
        if bet["priced_seq"]:
            word = "rejected" if bet["state"] == "rejected" else "confirmed"
            expected.append((word, bet["priced_seq"], bet["priced_at"]))
        if bet["settled_seq"]:
            expected.append(("settled", bet["settled_seq"], bet["settled_at"]))
        self._equal("steps", expected, [(s["name"], s["seq"], s["time"]) for s in steps])
        for step in steps:
            for seq, digest in (
                (int(step["seq"]) - 1, step["digest_before"]),
                (int(step["seq"]), step["digest_after"]),
            ):
                self._equal("form of a digest", True, bool(re.fullmatch("[0-9a-f]{64}", digest)))
                known = self.digests.setdefault(str(seq), digest)
                self._equal("digest after seq %d" % seq, known, digest)
