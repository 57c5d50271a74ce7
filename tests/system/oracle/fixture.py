"""Journals in miniature for the oracle's own tests: records by hand, applied one by one."""

import os

from compare import Comparison

ALICE = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
BOB = "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"
HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("TAPLINE_SHARED", os.path.join(HERE, "..", "..", "..", "..", "shared"))
START = 1_700_000_000_000  # a multiple of 5,000
PRICE = 600_000_000  # $60,000: band 3000 of $20 begins here
USD = 1_000_000


class Journal:
    """Appends records; `events` and `postings` are those of the last one."""

    def __init__(self, bankroll=1_000_000 * USD, **config):
        self.comparison = Comparison(events=False, check_index=False)
        self.seq, self.nonce = 0, 0
        # Quick by default: HEALTHY with the first tick and no warm-up, so that a test can bet at
        # once.
        quick = {"degraded_stable_ms": 0, "vol_warmup": 0, "quorum": 1}
        quick.update(config)
        self.add("config", START, epoch="1", **{k: str(v) for k, v in quick.items()})
        if bankroll:
            self.add("house_deposit", START, amount=str(bankroll), ref="demo", operator="test")

    @property
    def machine(self):
        return self.comparison.machine

    @property
    def book(self):
        return self.machine.book

    def add(self, kind, time, **fields):
        self.seq += 1
        record = {"seq": str(self.seq), "time": str(time), "kind": kind, **fields}
        self.events, self.postings = self.machine.apply(record)
        self.book.check_all()
        return self.events

    def tick(self, g, price=PRICE, at=None, sources=1, spread=0, set=1):
        return self.add(
            "price_tick",
            g if at is None else at,
            grid=str(g),
            price=str(price),
            sources=str(sources),
            spread=str(spread),
            set=str(set),
        )

    def clock(self, g, at=None):
        return self.add("clock_tick", g if at is None else at, grid=str(g))

    def ticks(self, first, last, price=PRICE, step=200):
        for g in range(first, last + 1, step):
            self.tick(g, price)
        return self.events

    def deposit(self, account, amount, time=START, ref=None):
        return self.add(
            "deposit",
            time,
            account=account,
            amount=str(amount),
            ref=ref or "ref-%d" % self.seq,
            operator="test",
        )

    def tap(
        self,
        time,
        column,
        band=3000,
        account=ALICE,
        stake=USD,
        min_mult=100,
        config=1,
        nonce=None,
        message_time=None,
        market="BTC-USD",
        session=None,
    ):
        """Returns the bet's id."""
        self.nonce += 1
        self.add(
            "tap",
            time,
            account=account,
            market=market,
            column=str(column),
            band=str(band),
            stake=str(stake),
            min_mult=str(min_mult),
            config=str(config),
            nonce=nonce or "%032x" % self.nonce,
            msg_time=str(time if message_time is None else message_time),
            session=session,
            origin="http://127.0.0.1:8080",
            sig="0x",
        )
        return self.seq

    def bet(self, number):
        return self.machine.bets[number]

    def types(self):
        return [e["type"] for e in self.events if e["type"] not in ("index:tick", "breaker")]

    def moves(self):
        """The postings without names of bets: (ref_type, account, amount)."""
        return [(p["ref_type"], p["account"], int(p["amount"])) for p in self.postings]
