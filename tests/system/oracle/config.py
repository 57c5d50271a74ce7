"""Market configuration (rules.md section 10): defaults, ranges, and W(T) across its changes."""

import re

# key: (default, least, greatest, fixed after the first)
KEYS = {
    "column_ms": (5000, 1000, 60000, True),
    "tick_ms": (200, 50, 1000, True),
    "columns": (12, 1, 60, False),
    "bands": (21, 1, 101, False),
    "band_e4": (200000, 10000, 10**9, False),
    "quorum": (2, 1, 32, False),
    "degraded_ms": (3000, 1000, 600000, False),
    "critical_ms": (10000, 1000, 600000, False),
    "degraded_stable_ms": (5000, 0, 3600000, False),
    "critical_stable_ms": (30000, 0, 3600000, False),
    "edge_bp": (500, 0, 5000, False),
    "skew_bp": (500, 0, 5000, False),
    "min_lead_ms": (5000, 1000, 60000, False),
    "pricing_delay_ms": (400, 0, 2000, False),
    "stake_min": (100000, 1, 10**9, False),
    "stake_max": (100000000, 1, 10**9, False),
    "open_bets_max": (20, 1, 1000, False),
    "cell_payout_max": (10**10, 1, 10**15, False),
    "column_loss_max": (2 * 10**10, 0, 10**15, False),
    "house_reserve": (0, 0, 10**15, False),
    "vol_warmup": (300, 0, 100000, False),
    "vol_fast_start": (311749139025, 7378638201, 73786966124356, False),
    "vol_slow_start": (311749139025, 7378638201, 73786966124356, False),
}


def defaults():
    config = {key: rule[0] for key, rule in KEYS.items()}
    config["market"] = "BTC-USD"
    return config


def merged(base, record):
    """The configuration that a Config record asks for: keys it leaves out keep their value."""
    config = dict(base)
    for key in KEYS:
        if record.get(key) is not None:
            config[key] = int(record[key])
    if record.get("market") is not None:
        config["market"] = record["market"]
    return config


def problem(config):
    """The first rule of section 10 that does not hold, or None."""
    for key, (_, least, greatest, _) in KEYS.items():
        if not least <= config[key] <= greatest:
            return key + " out of range"
    if not re.fullmatch(r"[A-Z0-9-]{3,16}", config["market"]):
        return "market"
    if config["column_ms"] % 1000:
        return "column_ms"
    if 1000 % config["tick_ms"]:
        return "tick_ms"
    if config["bands"] % 2 == 0:
        return "bands"
    if config["degraded_ms"] >= config["critical_ms"]:
        return "degraded_ms"
    if config["stake_min"] > config["stake_max"]:
        return "stake_min"
    return None


class Configuration:
    """The epoch in force and the W of every column."""

    def __init__(self):
        self.now = None  # the keys in force
        self.epoch = 0
        self.band_from = 0  # the W in force holds for columns >= this
        self.bands = []  # (first column, W), every W there ever was
        self._offered_to = 0  # last column that was ever on offer when a Config was applied

    def band_width(self, column):
        """W(T). A column that no grid record has settled yet keeps its W through any number of
        changes, so all of them are remembered."""
        for first, width in reversed(self.bands):
            if column >= first:
                return width
        return self.bands[0][1]

    def last_offered(self, time):
        c = self.now["column_ms"]
        return time // c * c + self.now["columns"] * c

    def change(self, record, time):
        """Applies a Config record; returns None, or why it is refused."""
        first = self.now is None
        new = merged(defaults() if first else self.now, record)
        wrong = problem(new)
        if wrong:
            return wrong
        if first:
            self.band_from, self.bands = 0, [(0, new["band_e4"])]
        else:
            fixed = ["market"] + [key for key, rule in KEYS.items() if rule[3]]
            for key in fixed:
                if new[key] != self.now[key]:
                    return key + " is fixed"
            # A column that was once on offer keeps its W, also when fewer columns were offered
            # later.
            self._offered_to = max(self._offered_to, self.last_offered(time))
            if new["band_e4"] != self.now["band_e4"]:
                if time < self.band_from:
                    return "an earlier band_e4 is not yet in force"
                self.band_from = self._offered_to + self.now["column_ms"]
                self.bands.append((self.band_from, new["band_e4"]))
        self.now = new
        self.epoch += 1
        return None
