"""The index price recomputed from the quotes in a price_tick record (rules.md section 3, steps 2
to 6).

Step 1 (which sources are fresh) rests on a local clock and cannot be recomputed; everything after
it can.
"""


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) // 2


class Index:
    """The bases of one process and the bits of its sources."""

    def __init__(self):
        self.start()

    def start(self):
        """A process began: bases and bits are forgotten."""
        self.basis = {}  # name -> B, EWMA with 12 fraction bits
        self.bits = {}  # name -> mask of the bits it can still have

    def check(self, record):
        """Recomputes one price_tick; returns a list of (field, recomputed, recorded)."""
        quotes = [(q["name"], int(q["price"]), int(q["basis"])) for q in record["quotes"]]
        wrong = []

        def same(field, mine, theirs):
            if mine != theirs:
                wrong.append((field, mine, theirs))

        if not quotes:
            return [("quotes", "at least one", "none")]
        if len({name for name, _, _ in quotes}) != len(quotes):
            return [("quotes", "each name once", [name for name, _, _ in quotes])]
        m0 = median([price for _, price, _ in quotes])
        same("m0", m0, int(record["m0"]))
        bound = m0 * 25 // 10000
        adjusted, own = {}, {}
        for name, price, recorded in quotes:
            own[name] = self.basis.get(name, (price - m0) << 12)
            applied = max(-bound, min(bound, own[name] >> 12))
            same("basis of " + name, applied, recorded)
            adjusted[name] = price - applied
        m1 = median(adjusted.values())
        rest = {n: a for n, a in adjusted.items() if abs(a - m1) * 10000 <= 25 * m1}
        if not rest:
            return wrong + [("sources", 0, record["sources"])]
        index = median(rest.values())
        spread = max(rest.values()) - min(rest.values())
        same("price", index, int(record["price"]))
        same("spread", spread, int(record["spread"]))
        same("sources", len(rest), int(record["sources"]))
        if spread * 10000 > 10 * index:
            wrong.append(("validity", "a clock_tick", "a price_tick"))
        wrong += self._check_set(int(record["set"]), [n for n, _, _ in quotes], rest)
        for name, price, _ in quotes:
            if name in rest:
                self.basis[name] = own[name] + (price - m0) - (own[name] >> 12)
        return wrong

    def _check_set(self, mask, names, rest):
        """The order in which a process hears names is not recorded, but one name has one bit: each
        record narrows down which, and no bit may be left over or missing."""
        if bin(mask).count("1") != len(rest) or mask >> 32:
            return [("set", "%d bits" % len(rest), mask)]
        for name in names:
            self.bits.setdefault(name, 2**32 - 1)
        for name in self.bits:
            self.bits[name] &= mask if name in rest else ~mask
            if not self.bits[name]:
                return [("set", "the bit that %s has had so far" % name, mask)]
        return []
