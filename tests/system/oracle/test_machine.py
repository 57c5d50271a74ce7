"""Bets and money, each case worked by hand from rules.md sections 2 and 6 to 8."""

import unittest

import odds
from fixture import ALICE, BOB, PRICE, START, USD, Journal

T = START + 20000  # a column on offer in most cases


def ready(**config):
    """HEALTHY at START + 1000, Alice has 100 USD."""
    journal = Journal(**config)
    journal.ticks(START + 200, START + 1000)
    journal.deposit(ALICE, 100 * USD, START + 1000)
    return journal


def confirmed(journal, band=3000, account=ALICE, column=T, stake=USD):
    """A confirmed bet, priced by the tick 400 ms later."""
    t = journal.machine.last_grid
    bet = journal.tap(t, column, band, account, stake)
    journal.ticks(t + 200, t + 400)
    return journal.bet(bet)


class Life(unittest.TestCase):
    def test_a_won_bet_moves_money_as_the_table_says(self):
        """Hold, confirm, win, column: every posting of a life, and the house lost payout -
        stake."""
        journal = ready()
        journal.tap(START + 1000, T)
        self.assertEqual(journal.types(), ["bet:accepted"])
        self.assertEqual(
            journal.moves(),
            [("BET_HOLD", "available:" + ALICE, -USD), ("BET_HOLD", "held:" + ALICE, USD)],
        )
        bet = journal.bet(journal.seq)
        journal.tick(START + 1200)
        self.assertEqual(journal.types(), [])  # 200 ms later: it still waits
        journal.tick(START + 1400)
        self.assertEqual(journal.types(), ["bet:confirmed"])
        self.assertEqual((bet.tick, bet.price), (START + 1400, PRICE))
        self.assertEqual(bet.payout, USD * bet.mult // 100)
        d = bet.payout - USD
        self.assertEqual(
            journal.moves(),
            [
                ("BET_CONFIRM", "held:" + ALICE, -USD),
                ("BET_CONFIRM", "escrow:%d" % T, USD),
                ("BET_CONFIRM", "bankroll", -d),
                ("BET_CONFIRM", "reserved:%d" % T, d),
            ],
        )
        journal.ticks(START + 1600, T)
        self.assertEqual(journal.types(), ["bet:settled", "column:settled"])
        self.assertEqual(
            journal.moves(),
            [
                ("BET_WIN", "escrow:%d" % T, -USD),
                ("BET_WIN", "reserved:%d" % T, -d),
                ("BET_WIN", "available:" + ALICE, bet.payout),
            ],
        )  # nothing is left: no COLUMN row
        self.assertEqual((bet.state, bet.paid, bet.settle_price), ("won", bet.payout, PRICE))
        self.assertEqual(journal.book.balances["bankroll"], 1_000_000 * USD - d)

    def test_a_lost_stake_goes_to_the_house_with_the_column(self):
        """A lost bet has no posting of its own."""
        journal = ready()
        bet = confirmed(journal, band=3001)
        d = bet.payout - USD
        journal.ticks(START + 1600, T)
        self.assertEqual(bet.state, "lost")
        self.assertEqual(
            journal.moves(),
            [
                ("COLUMN", "escrow:%d" % T, -USD),
                ("COLUMN", "reserved:%d" % T, -d),
                ("COLUMN", "bankroll", USD + d),
            ],
        )

    def test_the_multiplier_of_a_reference_cell(self):
        """S on the lower edge of its band, 18.6 s to go, fresh volatility v = 311749139025: rel =
        isqrt(v * 18.6) = 2408014, sd = S * rel >> 24 = 86117291, z = (200000 << 24) / sd = 38963:
        entry 76 and 51/512 of the way to the next: q = 1025267830, p = 2^31 - q = 1122215818, m =
        363."""
        self.assertEqual(confirmed(ready()).mult, 363)
        v = 311749139025
        self.assertEqual(odds.probability(PRICE, v, v, 18600, 600000000, 600200000), 1122215818)

    def test_edges_belong_to_the_upper_band(self):
        """[lo, hi): settled exactly on the border between two bands, the upper one wins."""
        journal = ready()
        journal.deposit(BOB, 100 * USD, START + 1000)
        lower, upper = confirmed(journal, 3000), confirmed(journal, 3001, BOB)
        journal.ticks(journal.machine.last_grid + 200, T, price=600200000)
        self.assertEqual((lower.state, upper.state), ("lost", "won"))

    def test_one_below_the_edge_is_the_lower_band(self):
        """The last price of a band is its upper border less 1e-4 USD."""
        journal = ready()
        bet = confirmed(journal, 3000)
        journal.ticks(START + 1600, T, price=600199999)
        self.assertEqual(bet.state, "won")

    def test_rejected_bets_give_the_hold_back(self):
        """A multiplier below the signed one: PRICE_MOVED and the stake returns."""
        journal = ready()
        bet = journal.tap(START + 1000, T, min_mult=5000)
        journal.ticks(START + 1200, START + 1400)
        self.assertEqual(journal.bet(bet).reason, "PRICE_MOVED")
        self.assertEqual(
            journal.moves(),
            [("BET_RELEASE", "held:" + ALICE, -USD), ("BET_RELEASE", "available:" + ALICE, USD)],
        )

    def test_no_price_after_two_seconds(self):
        """D = 400: a tick at t + 2,400 still prices, the next grid record does not."""
        for late, reason in ((2400, None), (2600, "NO_PRICE")):
            journal = ready()
            bet = journal.tap(START + 1000, T)
            journal.clock(START + 2200)
            self.assertEqual(journal.types(), [])
            journal.tick(START + 1000 + late)
            self.assertEqual(journal.bet(bet).reason, reason)

    def test_without_delay_it_is_priced_in_its_own_step(self):
        """D = 0: at the latest valid tick, at most 1,000 ms old."""
        journal = ready(pricing_delay_ms=0)
        bet = journal.tap(START + 2000, T)
        self.assertEqual(journal.types(), ["bet:accepted", "bet:confirmed"])
        self.assertEqual(journal.bet(bet).tick, START + 1000)
        bet = journal.tap(START + 2001, T, band=3001)
        self.assertEqual(journal.types(), ["bet:accepted", "bet:rejected"])
        self.assertEqual(journal.bet(bet).reason, "NO_PRICE")

    def test_a_new_config_rejects_waiting_bets(self):
        """And confirmed ones run on."""
        journal = ready()
        first = confirmed(journal)
        bet = journal.tap(START + 1400, T, band=3001)
        journal.add("config", START + 1500, edge_bp="600")
        self.assertEqual(journal.bet(bet).reason, "CONFIG_CHANGED")
        self.assertEqual(first.state, "confirmed")


class Refusals(unittest.TestCase):
    def reason(self, journal, *arguments, **fields):
        bet = journal.tap(*arguments, **fields)
        self.assertEqual(journal.postings, [])
        return journal.bet(bet).reason

    def test_each_reason_in_its_order(self):
        """Each tap fails one more check than the one before; the first failing check is the
        reason."""
        journal, t = ready(), START + 1000
        # A grid time far off breaks every later check as well.
        self.assertEqual(self.reason(journal, t, T + 1, config=2, stake=1), "CONFIG_CHANGED")
        self.assertEqual(self.reason(journal, t, T + 1, stake=99999), "LIMIT")
        self.assertEqual(self.reason(journal, t, T + 1, stake=100_000_001), "LIMIT")
        self.assertEqual(self.reason(journal, t, T + 1, min_mult=5001), "LIMIT")
        self.assertEqual(self.reason(journal, t, T + 1), "CELL_CLOSED")
        self.assertEqual(self.reason(journal, t, T, market="ETH-USD"), "CELL_CLOSED")
        self.assertEqual(self.reason(journal, t, START + 5000, account=BOB), "TOO_LATE")
        self.assertEqual(self.reason(journal, t, START + 65000, account=BOB), "TOO_EARLY")
        self.assertEqual(self.reason(journal, t, T, account=BOB), "INSUFFICIENT_FUNDS")
        journal.tap(t, T)
        self.assertEqual(self.reason(journal, t, T), "CELL_TAKEN")

    def test_the_last_column_on_offer(self):
        """(K, K + 12 columns]: at t = START + 1000, K = START, the last is START + 60,000."""
        journal = ready()
        self.assertIsNone(self.accepted(journal, START + 60000))

    def accepted(self, journal, column, t=START + 1000):
        return journal.bet(journal.tap(t, column)).reason

    def test_the_lead_is_inclusive(self):
        """T - t = 5,000 is enough, 4,999 is not."""
        for t, reason in ((START + 15000, None), (START + 15001, "TOO_LATE")):
            journal = ready()
            journal.ticks(START + 1200, START + 15000)
            self.assertEqual(self.accepted(journal, T, t), reason)

    def test_a_tick_older_than_three_seconds_stops_bets(self):
        """engine time - last <= 3,000, also before any grid record notices."""
        for age, reason in ((3000, None), (3001, "BREAKER")):
            self.assertEqual(self.accepted(ready(), T, START + 1000 + age), reason)

    def test_warm_up(self):
        """No bet before vol_warmup samples: two whole seconds give one sample."""
        journal = ready(vol_warmup=1)
        self.assertEqual(self.accepted(journal, T), "BREAKER")
        journal.ticks(START + 1200, START + 2000)
        self.assertIsNone(self.accepted(journal, T, START + 2000))

    def test_open_bets_max(self):
        """Accepted and confirmed ones count together."""
        journal = ready(open_bets_max=2)
        confirmed(journal)
        t = START + 1400
        self.assertIsNone(journal.bet(journal.tap(t, T, band=3001)).reason)
        self.assertEqual(journal.bet(journal.tap(t, T, band=3002)).reason, "LIMIT")


class Replay(unittest.TestCase):
    def test_same_text_has_no_effect_other_text_is_refused(self):
        """The nonce is looked up before everything, the time included."""
        journal, t = ready(), START + 1000
        journal.tap(t, T, nonce="ab" * 16)
        journal.tap(t, T, nonce="ab" * 16, message_time=t)
        self.assertEqual((journal.events, journal.postings), ([], []))
        journal.tap(t, T, nonce="ab" * 16, message_time=t - 60000)
        self.assertEqual([e["reason"] for e in journal.events], ["NONCE_REUSED"])

    def test_the_time_window(self):
        """t - 30,000 <= time <= t + 5,000; outside there is no bet and the nonce is not used."""
        t = START + 1000
        for offset, fine in ((-30000, True), (-30001, False), (5000, True), (5001, False)):
            journal = ready()
            journal.tap(t, T, nonce="cd" * 16, message_time=t + offset)
            self.assertEqual(journal.types(), ["bet:accepted" if fine else "tap:refused"], offset)
            if not fine:
                journal.tap(t, T, nonce="cd" * 16)
                self.assertEqual(journal.types(), ["bet:accepted"])

    def test_a_nonce_is_kept_90_s_inclusive(self):
        """A grid record at time + 90,000 keeps it, one 200 ms later drops it."""
        for last, type in ((91000, []), (91200, ["tap:refused"])):
            journal = ready()
            journal.tap(START + 1000, T, nonce="ef" * 16)
            journal.ticks(START + 1200, START + last)
            journal.tap(START + last, T, nonce="ef" * 16, message_time=START + 1000)
            self.assertEqual(journal.types(), type)  # TIME_SKEW once it is unknown

    def test_a_nonce_past_its_time_is_free_without_a_grid_record(self):
        """One ms past its 90 s another text may use it at once, and the grid record that drops
        the old use leaves the new one."""
        journal = ready()
        journal.tap(START + 1000, T, nonce="ef" * 16)
        for last, type in ((91000, []), (91001, ["tap:refused"])):
            journal.tap(START + last, T, nonce="ef" * 16, message_time=START + 1000)
            self.assertEqual(journal.types(), type)
        journal.tap(START + 91001, T, nonce="ef" * 16)
        self.assertEqual(journal.types(), ["bet:rejected"])  # the column has closed: a bet
        journal.tick(START + 91200)
        journal.tap(START + 91200, T, nonce="ef" * 16, message_time=START + 91199)
        self.assertEqual((journal.types(), journal.events[0]["reason"]), (["tap:refused"], "NONCE_REUSED"))


class Exposure(unittest.TestCase):
    def test_only_the_largest_band_is_set_aside(self):
        """Two bands of a column: reserved + escrow = the larger payout; a smaller one frees
        reserve."""
        journal = ready(skew_bp=0)
        big = confirmed(journal, 3002)
        reserved = journal.book.balances["reserved:%d" % T]
        self.assertEqual(reserved, big.payout - USD)
        journal.deposit(BOB, 100 * USD, journal.machine.time)
        small = confirmed(journal, 3000, BOB)
        self.assertLess(small.payout, big.payout)
        self.assertEqual(journal.book.balances["reserved:%d" % T], big.payout - 2 * USD)
        self.assertIn(("BET_CONFIRM", "bankroll", USD), journal.moves())  # d = -1 USD

    def limit(self, **config):
        return confirmed(ready(**config)).reason

    def test_each_cap_to_the_micro(self):
        """One payout fits exactly; a cap that is one micro-USD smaller is EXPOSURE."""
        payout = confirmed(ready()).payout
        loss = payout - USD
        self.assertIsNone(self.limit(cell_payout_max=payout, skew_bp=0))
        self.assertEqual(self.limit(cell_payout_max=payout - 1, skew_bp=0), "EXPOSURE")
        self.assertIsNone(self.limit(column_loss_max=loss))
        self.assertEqual(self.limit(column_loss_max=loss - 1), "EXPOSURE")
        self.assertIsNone(self.limit(bankroll=loss))
        self.assertEqual(self.limit(bankroll=loss - 1), "EXPOSURE")
        self.assertEqual(self.limit(bankroll=loss, house_reserve=1), "EXPOSURE")

    def test_an_empty_house_confirms_nothing_that_exposes_it(self):
        """Bankroll 0."""
        self.assertEqual(self.limit(bankroll=0), "EXPOSURE")

    def test_skew_lowers_the_next_multiplier_of_the_cell(self):
        """L = the first payout: m - floor(m * 500 * L / (10000 * cell_payout_max))."""
        journal = ready(cell_payout_max=20 * USD)
        journal.deposit(BOB, 100 * USD, START + 1000)
        a, b = journal.tap(START + 1000, T), journal.tap(START + 1000, T, account=BOB)
        journal.ticks(START + 1200, START + 1400)
        a, b = journal.bet(a), journal.bet(b)
        self.assertEqual(b.mult, a.mult - a.mult * 500 * a.payout // (10000 * 20 * USD))
        self.assertLess(b.mult, a.mult)


class Voids(unittest.TestCase):
    def void(self, journal, reason):
        bet = journal.bet(min(journal.machine.bets))
        self.assertEqual((bet.state, bet.reason, bet.paid), ("void", reason, USD))
        self.assertEqual(journal.book.available(ALICE), 100 * USD)
        self.assertEqual(journal.book.balances["bankroll"], 1_000_000 * USD)

    def test_down(self):
        """No grid record at T: the next one gives the stake back, though ticks around T were
        good."""
        journal = ready()
        confirmed(journal)
        journal.ticks(START + 1600, T - 200)
        journal.tick(T + 200)
        self.assertEqual(journal.types(), ["bet:settled", "column:settled"])
        self.void(journal, "DOWN")

    def test_no_ticks(self):
        """A clock tick at T and nothing valid before."""
        journal = ready()
        confirmed(journal)
        journal.ticks(START + 1600, T - 1000)
        journal.clock(T)
        self.void(journal, "NO_TICKS")

    def test_breaker(self):
        """After a gap of 4 s five good ticks settle nothing: it needs 5 s to be HEALTHY."""
        journal = ready(degraded_stable_ms=5000, vol_warmup=0)
        self.assertEqual(journal.machine.breaker.state, "DEGRADED")
        journal.ticks(START + 1200, START + 5200)
        confirmed(journal)
        journal.ticks(journal.machine.last_grid + 200, T - 4800)
        journal.ticks(T - 800, T)
        self.void(journal, "BREAKER")

    def test_an_empty_column_is_announced_at_its_time_only(self):
        """With T = g there is an event without bets or money; passed in a stall there is none."""
        journal = ready()
        journal.ticks(START + 1200, START + 5000)
        self.assertEqual(journal.types(), ["column:settled"])
        journal.tick(START + 10200)
        self.assertEqual(journal.types(), [])


class Grid(unittest.TestCase):
    def test_grid_records_without_effect(self):
        """Off the grid, not later than the last one, or later than engine time."""
        journal = ready()
        for g, at in (
            (START + 1100, START + 1100),
            (START + 1000, START + 1200),
            (START + 1400, START + 1399),
        ):
            journal.tick(g, at=at)
            self.assertEqual(journal.events, [])
        journal.tick(START + 1400)
        self.assertNotEqual(journal.events, [])

    def test_a_new_band_width_begins_after_the_columns_on_offer(self):
        """Applied at START + 1000 it holds from START + 65,000 on; another change waits until
        then."""
        journal = ready()
        journal.add("config", START + 1000, band_e4="400000")
        width = journal.machine.configuration.band_width
        self.assertEqual((width(START + 60000), width(START + 65000)), (200000, 400000))
        journal.add("config", START + 64999, band_e4="100000")
        self.assertEqual(journal.types(), ["config:refused"])
        journal.add("config", START + 65000, band_e4="100000")
        self.assertEqual(journal.types(), [])
        self.assertEqual((width(START + 125000), width(START + 130000)), (400000, 100000))

    def test_a_fixed_key_cannot_change(self):
        """Refused, and the epoch stays."""
        journal = ready()
        journal.add("config", START + 1000, tick_ms="100")
        self.assertEqual(
            (journal.types(), journal.machine.configuration.epoch), (["config:refused"], 1)
        )


class Transfers(unittest.TestCase):
    def test_a_reference_is_unique_for_ever(self):
        """Again the same: nothing. Other content: NONCE_REUSED. A refused one stays unused."""
        journal = ready()
        journal.deposit(ALICE, USD, START + 1000, "r")
        self.assertEqual(len(journal.postings), 2)
        journal.deposit(ALICE, USD, START + 1000, "r")
        self.assertEqual((journal.events, journal.postings), ([], []))
        journal.deposit(BOB, USD, START + 1000, "r")
        self.assertEqual(journal.events[0]["reason"], "NONCE_REUSED")
        journal.deposit(BOB, 10**15 + 1, START + 1000, "s")
        self.assertEqual(journal.events[0]["reason"], "LIMIT")
        journal.deposit(BOB, 10**15, START + 1000, "s")
        self.assertEqual(journal.events, [])

    def test_nothing_goes_below_zero(self):
        """Withdrawals end at the balance, those of the house at its reserve."""
        journal = ready(house_reserve=999_999 * USD)
        for kind, amount, fine in (
            ("withdrawal", 100 * USD + 1, False),
            ("withdrawal", 100 * USD, True),
            ("house_withdrawal", USD + 1, False),
            ("house_withdrawal", USD, True),
            ("goodwill", 1, False),
        ):
            journal.add(
                kind,
                START + 1000,
                account=ALICE,
                amount=str(amount),
                ref="w%d" % journal.seq,
                operator="test",
            )
            self.assertEqual(journal.events == [], fine, (kind, amount))

    def test_goodwill_needs_an_account(self):
        """It does not open one."""
        journal = ready()
        journal.add("goodwill", START + 1000, account=BOB, amount="1", ref="g", operator="test")
        self.assertEqual(journal.events[0]["reason"], "NOT_FOUND")


if __name__ == "__main__":
    unittest.main()
