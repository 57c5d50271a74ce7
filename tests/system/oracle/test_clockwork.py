"""Breaker, volatility, medians and voids, each against a table worked by hand."""

import unittest

import config
from clockwork import Breaker, Volatility, is_valid, settlement_price, void_reason
from index import Index, median

CONFIG = config.defaults()


def walk(*steps):
    """steps: (g in ms, valid); returns the state after each."""
    breaker = Breaker()
    states = []
    for g, valid in steps:
        breaker.step(g, valid, CONFIG)
        states.append(breaker.state[0])
    return "".join(states)


def good(first, last):
    return [(g, True) for g in range(first, last + 1, 200)]


class BreakerRules(unittest.TestCase):
    def test_first_bet_after_five_good_seconds(self):
        """At genesis it is DEGRADED; 5,000 ms after the first tick, not before, it is HEALTHY."""
        self.assertEqual(walk(*good(200, 5000)), "D" * 25)
        self.assertEqual(walk(*good(200, 5200)), "D" * 25 + "H")

    def test_without_a_tick_it_stays_degraded(self):
        """No tick, no age: an hour of clock ticks does not make it CRITICAL."""
        self.assertEqual(walk((200, False), (3600000, False)), "DD")

    def test_gaps_of_exactly_3000_and_10000_are_not_too_long(self):
        """The limits are `>`: at 3,000 still HEALTHY, at 10,000 still DEGRADED."""
        calm = good(200, 5200)
        self.assertEqual(walk(*calm, (8200, False))[-1], "H")
        self.assertEqual(walk(*calm, (8200, True))[-1], "H")
        self.assertEqual(walk(*calm, (8400, False))[-1], "D")
        self.assertEqual(walk(*calm, (8400, True))[-1], "D")
        self.assertEqual(walk(*calm, (8400, False), (15200, False))[-1], "D")
        self.assertEqual(walk(*calm, (15200, True))[-1], "D")
        self.assertEqual(walk(*calm, (15400, False))[-1], "C")
        self.assertEqual(walk(*calm, (15400, True))[-1], "C")

    def test_flapping_9_11_9(self):
        """Gaps of 9 s, 11 s and 9 s: DEGRADED, then CRITICAL, which the last 9 s gap neither
        leaves nor softens but which begins the 30 stable seconds anew."""
        steps = good(200, 5200)  # HEALTHY, last 5,200
        steps += good(14200, 15200)  # after 9 s
        self.assertEqual(walk(*steps)[-6:], "DDDDDD")
        steps += good(26200, 27200)  # after 11 s
        self.assertEqual(walk(*steps)[-6:], "CCCCCC")
        steps += good(36200, 66000)  # after 9 s; stable since 36,200
        self.assertEqual(walk(*steps)[-150:], "C" * 150)
        self.assertEqual(walk(*steps, (66200, True))[-1], "H")

    def test_degraded_recovers_in_five_seconds(self):
        """From DEGRADED: stable since the tick after the gap, HEALTHY 5,000 ms later."""
        steps = good(200, 5200) + good(9200, 14000)
        self.assertEqual(walk(*steps)[-1], "D")
        self.assertEqual(walk(*steps, (14200, True))[-1], "H")

    def test_a_tick_that_is_none(self):
        """Price, sources and spread decide whether a price_tick counts as one."""
        record = {"price": "600000000", "sources": "2", "spread": "600000"}
        self.assertTrue(is_valid(record, CONFIG))
        for key, value in (
            ("spread", "600001"),
            ("sources", "1"),
            ("price", "0"),
            ("price", str(10**12 + 1)),
        ):
            self.assertFalse(is_valid({**record, key: value}, CONFIG), key)
        self.assertTrue(is_valid({**record, "price": str(10**12)}, CONFIG))


class VolatilityRules(unittest.TestCase):
    def test_one_sample_by_hand(self):
        """60,000 -> 60,006: r = floor(60000 * 2^32 / 6*10^8) = 429496, r2 = 184466814016; from
        311749139025 the fast one falls by (127282325009 >> 5) = 3977572656, the slow one by
        248598291.
        """
        v = Volatility(CONFIG)
        v.sample(600060000, 600000000)
        self.assertEqual((v.fast, v.slow, v.samples), (307771566369, 311500540734, 1))

    def test_it_stays_within_its_clamp(self):
        """A price that jumps by half, and one that never moves."""
        v = Volatility(CONFIG)
        v.sample(900000000, 600000000)
        self.assertEqual((v.fast, v.slow), (73786966124356, 73786966124356))
        for _ in range(5000):
            v.sample(600000000, 600000000)
        self.assertEqual((v.fast, v.slow), (7378638201, 7378638201))


def ticks(**prices):
    """t800=..., t0=...: ticks before T = 10,000; (price, set) or price."""
    result = {}
    for name, value in prices.items():
        price, mask = value if isinstance(value, tuple) else (value, 1)
        result[10000 - int(name[1:])] = {"price": price, "set": mask}
    return result


class Settlement(unittest.TestCase):
    def price(self, **prices):
        return settlement_price(ticks(**prices), 10000, 200)

    def void(self, g=10000, healthy=True, width=200000, **prices):
        return void_reason(ticks(**prices), 10000, g, 200, healthy, width)

    def test_median_floors_the_mean_of_the_middle_two(self):
        """Here and everywhere, also below zero."""
        self.assertEqual(median([5, 1, 3]), 3)
        self.assertEqual(median([4, 1, 3, 100]), 3)  # 3.5
        self.assertEqual(median([-4, -3]), -4)  # -3.5

    def test_the_price_is_the_median_of_what_is_there(self):
        """Five, four and three valid ticks."""
        self.assertEqual(self.price(t800=9, t600=1, t400=5, t200=7, t0=3), 5)
        self.assertEqual(self.price(t800=9, t600=1, t400=5, t200=6), 5)  # 5.5
        self.assertEqual(self.price(t800=9, t600=1, t0=4), 4)

    def test_too_few_ticks_have_no_price(self):
        """Two are too few; three are too few when neither of the last two is among them."""
        self.assertIsNone(self.price(t200=1, t0=1))
        self.assertIsNone(self.price(t800=1, t600=1, t400=1))
        self.assertEqual(self.price(t800=1, t600=1, t200=1), 1)
        self.assertEqual(self.price(t800=1, t600=1, t0=1), 1)

    def test_void_reasons_in_their_order(self):
        """The first that holds is the reason."""
        five = dict(t800=1, t600=1, t400=1, t200=1, t0=1)
        self.assertIsNone(self.void(**five))
        self.assertEqual(self.void(g=10200, healthy=False), "DOWN")
        self.assertEqual(self.void(healthy=False, t0=1), "NO_TICKS")
        self.assertEqual(self.void(healthy=False, **five), "BREAKER")

    def test_source_jump_is_more_than_half_a_band(self):
        """Exactly half a band, or a jump within one source set, settles; one unit more is void."""
        rest = dict(t800=10**8, t600=10**8, t400=10**8)
        jump = dict(t200=(10**8 + 100000, 3), t0=(10**8 + 100000, 3))
        self.assertIsNone(self.void(**rest, **jump))
        jump = dict(t200=(10**8 + 100001, 3), t0=(10**8 + 100001, 3))
        self.assertEqual(self.void(**rest, **jump), "SOURCE_JUMP")
        jump = dict(t200=10**8 + 100001, t0=10**8 + 100001)
        self.assertIsNone(self.void(**rest, **jump))

    def test_source_jump_looks_across_an_invalid_tick(self):
        """Consecutive means consecutive among the valid ones."""
        self.assertEqual(
            self.void(t800=10**8, t600=10**8, t400=10**8, t0=(10**8 + 100001, 2)),
            "SOURCE_JUMP",
        )


def quote(name, price, basis):
    return {"name": name, "price": str(price), "basis": str(basis)}


def record(price, spread, sources, mask, m0, *quotes):
    return {
        "price": str(price),
        "spread": str(spread),
        "sources": str(sources),
        "set": str(mask),
        "m0": str(m0),
        "quotes": list(quotes),
    }


class IndexRules(unittest.TestCase):
    def test_three_sources_by_hand(self):
        """First tick: each source's own distance from the median is its basis, so all agree.
        Second: b moved by +40959, and its basis learns only 1/4096 of it: B = 40960000 + (50959 -
        10000)."""
        index = Index()
        first = record(
            600000000,
            0,
            3,
            7,
            600000000,
            quote("a", 600000000, 0),
            quote("b", 600010000, 10000),
            quote("c", 599990000, -10000),
        )
        self.assertEqual(index.check(first), [])
        second = record(
            600000000,
            40959,
            3,
            7,
            600000000,
            quote("a", 600000000, 0),
            quote("b", 600050959, 10000),
            quote("c", 599990000, -10000),
        )
        self.assertEqual(index.check(second), [])
        self.assertEqual(index.basis["b"], (10000 << 12) + 50959 - 10000)
        third = record(
            600000000,
            40950,
            3,
            7,
            600000000,
            quote("a", 600000000, 0),
            quote("b", 600050959, 10009),
            quote("c", 599990000, -10000),
        )
        self.assertEqual(index.check(third), [])  # 10009.99 floors

    def test_an_outlier_is_dropped_and_learns_nothing(self):
        """d is 1 % above: its basis is clamped to 25 bps, the rest of 75 bps puts it out."""
        index = Index()
        outlier = record(
            600000000,
            0,
            2,
            3,
            600000000,
            quote("a", 600000000, 0),
            quote("b", 600000000, 0),
            quote("d", 606000000, 1500000),
        )
        self.assertEqual(index.check(outlier), [])
        self.assertEqual(sorted(index.basis), ["a", "b"])

    def test_a_bit_belongs_to_one_source(self):
        """a had bit 1 alone; the next record gives that bit to b."""
        index = Index()
        self.assertEqual(index.check(record(100, 0, 1, 1, 100, quote("a", 100, 0))), [])
        wrong = index.check(record(100, 0, 1, 1, 100, quote("b", 100, 0)))
        self.assertEqual([w[0] for w in wrong], ["set"])

    def test_a_start_forgets_the_basis(self):
        """A process began: the sources have no basis, so their distance counts at once again."""
        index = Index()
        index.check(
            record(
                600005000,
                0,
                2,
                3,
                600005000,
                quote("a", 600000000, -5000),
                quote("b", 600010000, 5000),
            )
        )
        index.start()
        self.assertEqual(index.basis, {})


if __name__ == "__main__":
    unittest.main()
