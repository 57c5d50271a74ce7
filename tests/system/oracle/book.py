"""Money and bets: the double-entry ledger (rules.md section 7) and what each column owes.

Balances live in one dictionary by the account names of `inspect --events`; what they must be is
recomputed from the bets themselves after every record.
"""

from collections import defaultdict

MONEY_MAX = 2**63 - 1
BAND_EDGE_MAX = 2**63 - 1


class Broken(Exception):
    """An invariant of rules.md section 7 does not hold: the oracle itself is wrong."""


class Bet:
    def __init__(self, record, width):
        self.bet = int(record["seq"])
        self.account = record["account"]
        self.nonce = record["nonce"]
        self.market = record["market"]
        self.column = int(record["column"])
        self.band = int(record["band"])
        self.stake = int(record["stake"])
        self.min_mult = int(record["min_mult"])
        self.config = int(record["config"])
        self.session = None if record.get("session") is None else int(record["session"])
        self.time = int(record["time"])  # engine time of the tap
        self.lo = max(min(self.band * width, BAND_EDGE_MAX), -BAND_EDGE_MAX - 1)
        self.hi = min(self.lo + width, BAND_EDGE_MAX)
        self.state = self.reason = self.mult = self.payout = None
        self.paid = 0
        self.accepted_at = self.accepted_seq = self.priced_at = self.priced_seq = None
        self.tick = self.price = None
        self.settled_at = self.settled_seq = self.settle_price = None

    @property
    def cell(self):
        return self.column, self.band

    def shown(self):
        """The bet object of interface.md section 3 (without `seq`, which is of the answer)."""
        names = (
            "bet account market column band lo hi stake min_mult config nonce session state reason"
            " mult payout paid accepted_at accepted_seq priced_at priced_seq tick price settled_at"
            " settled_seq settle_price"
        ).split()
        return {name: text(getattr(self, name)) for name in names}


def text(value):
    return str(value) if isinstance(value, int) else value


class Column:
    """A column that holds confirmed bets."""

    def __init__(self):
        self.bets = []  # in the order of confirmation
        self.stakes = 0
        self.payouts = defaultdict(int)  # by band

    def loss(self):
        return max(self.payouts.values(), default=0) - self.stakes

    def loss_with(self, band, payout, stake):
        bands = dict(self.payouts)
        bands[band] = bands.get(band, 0) + payout
        return max(bands.values()) - self.stakes - stake

    def add(self, bet):
        self.bets.append(bet)
        self.stakes += bet.stake
        self.payouts[bet.band] += bet.payout


class Book:
    def __init__(self):
        self.balances = defaultdict(int)
        self.users = {}  # account -> user id
        self.open = defaultdict(dict)  # account -> cell -> bet, accepted or confirmed
        self.columns = {}  # T -> Column
        self.begin()

    def begin(self):
        """A record begins: its postings count from line 0."""
        self.postings = []

    def post(self, ref_type, ref_id, *moves):
        if sum(amount for _, amount in moves):
            raise Broken("%s %s does not sum to zero" % (ref_type, ref_id))
        for account, amount in moves:
            if amount:
                self.balances[account] += amount
                self.postings.append(
                    {
                        "line": str(len(self.postings)),
                        "account": account,
                        "amount": str(amount),
                        "ref_type": ref_type,
                        "ref_id": str(ref_id),
                        "balance_after": str(self.balances[account]),
                    }
                )

    def available(self, account):
        return self.balances.get("available:" + account, 0)

    def hold(self, bet):
        self.open[bet.account][bet.cell] = bet
        self.post(
            "BET_HOLD",
            bet.bet,
            ("available:" + bet.account, -bet.stake),
            ("held:" + bet.account, bet.stake),
        )

    def release(self, bet):
        del self.open[bet.account][bet.cell]
        self.post(
            "BET_RELEASE",
            bet.bet,
            ("held:" + bet.account, -bet.stake),
            ("available:" + bet.account, bet.stake),
        )

    def exposure(self, bet, payout, config):
        """None when the caps let the bet be confirmed; else which one does not."""
        column = self.columns.get(bet.column) or Column()
        if column.payouts.get(bet.band, 0) + payout > config["cell_payout_max"]:
            return "cell_payout_max"
        after = column.loss_with(bet.band, payout, bet.stake)
        if after > config["column_loss_max"]:
            return "column_loss_max"
        d = max(after, 0) - max(column.loss(), 0)
        if d > 0 and self.balances["bankroll"] - d < config["house_reserve"]:
            return "house_reserve"
        return None

    def confirm(self, bet):
        column = self.columns.setdefault(bet.column, Column())
        before = max(column.loss(), 0)
        column.add(bet)
        d = max(column.loss(), 0) - before
        self.post(
            "BET_CONFIRM",
            bet.bet,
            ("held:" + bet.account, -bet.stake),
            ("escrow:%d" % bet.column, bet.stake),
            ("bankroll", -d),
            ("reserved:%d" % bet.column, d),
        )

    def win(self, bet):
        del self.open[bet.account][bet.cell]
        from_escrow = min(bet.payout, self.balances["escrow:%d" % bet.column])
        self.post(
            "BET_WIN",
            bet.bet,
            ("escrow:%d" % bet.column, -from_escrow),
            ("reserved:%d" % bet.column, from_escrow - bet.payout),
            ("available:" + bet.account, bet.payout),
        )

    def lose(self, bet):
        del self.open[bet.account][bet.cell]

    def void(self, bet):
        del self.open[bet.account][bet.cell]
        self.post(
            "BET_VOID",
            bet.bet,
            ("escrow:%d" % bet.column, -bet.stake),
            ("available:" + bet.account, bet.stake),
        )

    def close(self, t):
        escrow, reserved = self.balances["escrow:%d" % t], self.balances["reserved:%d" % t]
        self.post(
            "COLUMN",
            t,
            ("escrow:%d" % t, -escrow),
            ("reserved:%d" % t, -reserved),
            ("bankroll", escrow + reserved),
        )
        del self.columns[t]

    # --- invariants ------------------------------------------------------------------------------

    def _check_user(self, account):
        held = sum(b.stake for b in self.open[account].values() if b.state == "accepted")
        if self.balances["held:" + account] != held:
            raise Broken("held of %s" % account)
        if any(b.state not in ("accepted", "confirmed") for b in self.open[account].values()):
            raise Broken("a finished bet of %s is open" % account)

    def _check_column(self, t):
        column = self.columns.get(t) or Column()
        escrow, reserved = self.balances["escrow:%d" % t], self.balances["reserved:%d" % t]
        if escrow != column.stakes:
            raise Broken("escrow of %d" % t)
        if escrow + reserved != max(max(column.payouts.values(), default=0), column.stakes):
            raise Broken("escrow + reserved of %d" % t)

    def check(self):
        """After a record: what it touched is as section 7 says."""
        total = 0
        for posting in self.postings:
            account, total = posting["account"], total + int(posting["amount"])
            if account != "external" and int(posting["balance_after"]) < 0:
                raise Broken(account + " below zero")
            kind, _, name = account.partition(":")
            if kind in ("available", "held"):
                self._check_user(name)
            elif kind in ("escrow", "reserved"):
                self._check_column(int(name))
        if total:
            raise Broken("the record does not sum to zero")

    def check_all(self):
        """The whole book from nothing but the bets."""
        if sum(self.balances.values()):
            raise Broken("the sum over all accounts")
        for account in list(self.open):
            self._check_user(account)
        for t, column in self.columns.items():
            again = Column()
            for bet in column.bets:
                if bet.state != "confirmed" or self.open[bet.account].get(bet.cell) is not bet:
                    raise Broken("bet %d in column %d" % (bet.bet, t))
                again.add(bet)
            if (again.stakes, again.payouts) != (column.stakes, column.payouts):
                raise Broken("column %d" % t)
            self._check_column(t)
        held = sum(v for k, v in self.balances.items() if k.startswith("held:"))
        if held != sum(
            b.stake for o in self.open.values() for b in o.values() if b.state == "accepted"
        ):
            raise Broken("held")
        if any(
            v
            for k, v in self.balances.items()
            if k.startswith(("escrow:", "reserved:"))
            and int(k.partition(":")[2]) not in self.columns
        ):
            raise Broken("money left in a closed column")
        if any(v < 0 for k, v in self.balances.items() if k != "external"):
            raise Broken("an account below zero")
