"""What the market sees of the world: breaker, ticks, volatility and the price that settles a column
(rules.md sections 3, 4 and 6.4). No money here."""

from index import median

V_LEAST = 7378638201
V_MOST = 73786966124356
PRICE_MOST = 10**12


class Breaker:
    """HEALTHY, DEGRADED or CRITICAL: a function of grid records alone."""

    def __init__(self):
        self.state = "DEGRADED"
        self.last = None  # time of the last valid tick
        self.stable_since = None

    def step(self, g, valid, config):
        """One grid record; returns the state it turned into, or None when it did not change."""
        before = self.state
        age = None if self.last is None else g - self.last
        if age is not None and age > config["critical_ms"]:
            self.state = "CRITICAL"
        elif age is not None and age > config["degraded_ms"] and self.state == "HEALTHY":
            self.state = "DEGRADED"
        if valid:
            if age is None or age > config["degraded_ms"]:
                self.stable_since = g
            self.last = g
            wait = config[
                "critical_stable_ms" if self.state == "CRITICAL" else "degraded_stable_ms"
            ]
            if g - self.stable_since >= wait:
                self.state = "HEALTHY"
        return self.state if self.state != before else None

    def lets_bet(self, time, config):
        return (
            self.state == "HEALTHY"
            and self.last is not None
            and time - self.last <= config["degraded_ms"]
        )


class Volatility:
    def __init__(self, config):
        self.fast, self.slow = config["vol_fast_start"], config["vol_slow_start"]
        self.samples = 0

    def sample(self, price, price_before):
        r = abs(price - price_before) * 2**32 // price_before
        self.fast = self._moved(self.fast, r * r, 5)
        self.slow = self._moved(self.slow, r * r, 9)
        self.samples += 1

    @staticmethod
    def _moved(v, r2, n):
        v = v + ((r2 - v) >> n) if r2 >= v else v - ((v - r2) >> n)
        return min(max(v, V_LEAST), V_MOST)


def is_valid(record, config):
    """True when a price_tick record counts as one (else it counts as a clock_tick)."""
    price, spread = int(record["price"]), int(record["spread"])
    return (
        1 <= price <= PRICE_MOST
        and int(record["sources"]) >= config["quorum"]
        and spread * 10000 <= 10 * price
    )


def five_times(t, tick_ms):
    return [t - k * tick_ms for k in (4, 3, 2, 1, 0)]


def settlement_price(ticks, t, tick_ms):
    """The median of the five ticks up to t, or None when too few are valid."""
    times = five_times(t, tick_ms)
    valid = [ticks[g]["price"] for g in times if g in ticks]
    if len(valid) < 3 or (times[3] not in ticks and times[4] not in ticks):
        return None
    return median(valid)


def void_reason(ticks, t, g, tick_ms, healthy, width):
    """Why column t, settled by the grid record g, is void; None when it is not."""
    if g != t:
        return "DOWN"
    if settlement_price(ticks, t, tick_ms) is None:
        return "NO_TICKS"
    if not healthy:
        return "BREAKER"
    valid = [ticks[at] for at in five_times(t, tick_ms) if at in ticks]
    for a, b in zip(valid, valid[1:]):
        if a["set"] != b["set"] and 2 * abs(a["price"] - b["price"]) > width:
            return "SOURCE_JUMP"
    return None
