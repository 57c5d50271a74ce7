"""The multiplier of a cell (rules.md section 5), from the closed form of the Student-t5 tail.

Nothing here is read from a table of somebody else: the 1,025 entries are computed with exact
decimal arithmetic and only then compared with the published SHA-256.
"""

import hashlib
import struct
from decimal import Decimal, ROUND_FLOOR, localcontext
from functools import lru_cache
from math import isqrt

ONE = 2**32 - 1
TABLE_STEPS = 1024
TABLE_SHA256 = "d4e04739e86f4a10f63daaf1a85b04b6b491304a460d15a96d13ab9942a6ccc4"
MULT_LEAST = 105
MULT_MOST = 5000


def _arctan(x):
    """arctan(x), x > 0: halve the angle until the Taylor series is short."""
    halvings = 0
    while x > Decimal("0.05"):
        x = x / (1 + (1 + x * x).sqrt())
        halvings += 1
    square, power, total, k = x * x, x, Decimal(0), 0
    while abs(power) > Decimal(10) ** -58:
        total += power / (2 * k + 1) if k % 2 == 0 else -power / (2 * k + 1)
        power *= square
        k += 1
    return total * 2**halvings


@lru_cache(maxsize=None)
def tail_table():
    """tail[i] = floor(Q(i/128) * ONE + 1/2), Q the upper tail of a unit-variance Student-t5.

    A t5 has variance 5/3, so the unit-variance one at z is a t5 at z*sqrt(5/3), for which
    Q(z) = (atan(sqrt3/z) - sqrt3*z/(3+z^2) - 2*sqrt3*z/(3+z^2)^2) / pi.
    """
    with localcontext() as context:
        context.prec = 60
        root3 = Decimal(3).sqrt()
        pi = 4 * (4 * _arctan(Decimal(1) / 5) - _arctan(Decimal(1) / 239))
        table = [2**31]  # entry 0 is set, not computed
        for i in range(1, TABLE_STEPS + 1):
            z = Decimal(i) / 128
            s = 3 + z * z
            tail = (_arctan(root3 / z) - root3 * z / s - 2 * root3 * z / (s * s)) / pi
            exact = tail * ONE + Decimal("0.5")
            table.append(int(exact.to_integral_value(rounding=ROUND_FLOOR)))
        return tuple(table)


def table_sha256():
    table = tail_table()
    return hashlib.sha256(struct.pack("<%dI" % len(table), *table)).hexdigest()


def _below(distance, deviation):
    """F: the probability (Q32) that the price ends below a border `distance` away."""
    z = min((abs(distance) << 24) // deviation, 2**30)
    i = z >> 9
    table = tail_table()
    if i > TABLE_STEPS - 1:
        q = 0
    else:
        q = table[i] - ((table[i] - table[i + 1]) * (z & 511) >> 9)
    return q if distance < 0 else ONE - q


def probability(price, v_fast, v_slow, tau_ms, lo, hi):
    """The largest of the three sigmas' probabilities of [lo, hi)."""
    mean = (v_fast + v_slow) >> 1
    low = max(min(v_fast, v_slow), mean >> 1)
    high = min(max(v_fast, v_slow), mean << 1)
    best = 0
    for v in (low, mean, high):
        relative = isqrt(v * tau_ms // 1000)
        deviation = max(price * relative >> 24, 256)
        best = max(best, _below(hi - price, deviation) - _below(lo - price, deviation))
    return best


def raw_multiplier(p, edge_bp):
    return 0 if p == 0 else 100 * (10000 - edge_bp) * ONE // (10000 * p)


def skewed(m, skew_bp, cell_payouts, cell_payout_max):
    return m - m * skew_bp * cell_payouts // (10000 * cell_payout_max)


def in_range(m):
    return MULT_LEAST <= m <= MULT_MOST
