"""Field by field: what the program says a record did against what the rules make of it."""

from collections import Counter

from ethereum import checksum_address, recover, tap_text
from index import Index
from machine import Machine

# Each of these is decided by the rules, so both sides must show the same ones in the same order.
ORDERED = (
    "bet:",
    "column:",
    "config:refused",
    "transfer:refused",
    "session:refused",
    "tap:refused",
)
# rules.md gives no code for these refusals; that it is refused is compared, the reason is not.
FREE_REASON = ("config:refused", "session:refused")
SHOWN_BESIDES = ("problem", "account")  # fields of ours that section 4 does not name


class Difference(Exception):
    def __init__(self, seq, what, mine, theirs):
        super().__init__(
            "seq %s: %s: the rules give %r, the file says %r" % (seq, what, mine, theirs)
        )


def _ordered(events):
    return [e for e in events if e["type"].startswith(ORDERED)]


def _fields(seq, where, mine, theirs, skip=()):
    for name, value in mine.items():
        if name in skip:
            continue
        if name not in theirs:
            raise Difference(seq, "%s.%s" % (where, name), value, "(no such field)")
        other = theirs[name]
        if name == "ticks":
            _ticks(seq, where, value, other)
        elif value != other and not _free_price(name, mine, other):
            raise Difference(seq, "%s.%s" % (where, name), value, other)


def _free_price(name, mine, theirs):
    """A column that was void because nobody was there to settle it may show no price."""
    return (
        name in ("price", "settle_price", "band")
        and theirs is None
        and mine.get("reason") in ("DOWN", "NO_TICKS")
    )


def _ticks(seq, where, mine, theirs):
    """Five ticks; of an invalid or missing one only its time and the null price are fixed."""
    if len(mine) != len(theirs):
        raise Difference(seq, where + ".ticks", len(mine), len(theirs))
    for i, (a, b) in enumerate(zip(mine, theirs)):
        skip = ("sources", "set") if a["price"] is None else ()
        _fields(seq, "%s.ticks[%d]" % (where, i), a, b, skip)


def _events(seq, mine, theirs):
    a, b = _ordered(mine), _ordered(theirs)
    for i in range(max(len(a), len(b))):
        first = a[i] if i < len(a) else {"type": "(nothing)"}
        second = b[i] if i < len(b) else {"type": "(nothing)"}
        where = "event %d %s" % (i, first["type"])
        if first["type"] != second["type"]:
            raise Difference(seq, "event %d" % i, first, second)
        skip = SHOWN_BESIDES if not first["type"].startswith("tap:") else SHOWN_BESIDES + ("nonce",)
        if first["type"] in FREE_REASON:
            skip = skip + ("reason",)
        _fields(seq, where, first, second, skip)
    _seen(seq, mine, theirs)


def _seen(seq, mine, theirs):
    """Events that the interface leaves to the program: compared when they are shown."""
    ticks = [e for e in mine if e["type"] == "index:tick"]
    shown = [e for e in theirs if e["type"] == "index:tick"]
    if shown:
        if len(shown) != len(ticks):
            raise Difference(seq, "index:tick events", len(ticks), len(shown))
        skip = ("sources", "spread") if ticks[0]["price"] is None else ()
        _fields(seq, "index:tick", ticks[0], shown[0], skip)
    turned = [e["state"] for e in mine if e["type"] == "breaker"]
    for e in theirs:
        if e["type"].startswith(("breaker", "status")):
            state = e.get("to", e.get("breaker", e.get("state")))
            if [state] != turned:
                raise Difference(seq, "breaker", turned, state)


def _postings(seq, mine, theirs):
    for i in range(max(len(mine), len(theirs))):
        a = mine[i] if i < len(mine) else None
        b = theirs[i] if i < len(theirs) else None
        if a is None or b is None:
            raise Difference(seq, "posting %d" % i, a, b)
        for name in ("line", "account", "amount", "ref_type", "ref_id"):
            if a[name] != b.get(name):
                raise Difference(seq, "posting %d %s" % (i, name), a[name], b.get(name))


class Comparison:
    """Feeds records to the oracle; with `events` each must already say what it did."""

    def __init__(self, events, signatures=0, check_index=True):
        self.machine = Machine()
        self.index = Index() if check_index else None
        self.counts = Counter()
        self.compare_events = events
        self.signatures = signatures  # how many more to recover: each takes some milliseconds

    def record(self, record):
        """Applies one record and returns (events, postings) of the oracle."""
        seq, kind = record["seq"], record["kind"]
        if kind == "tap":
            self._signature(record)
        elif self.index and kind == "start":
            self.index.start()
        elif self.index and kind == "price_tick":
            for field, mine, theirs in self.index.check(record)[:1]:
                raise Difference(seq, "index " + field, mine, theirs)
        events, postings = self.machine.apply(record)
        if kind == "config" and not any(e["type"] == "config:refused" for e in events):
            self._config(record)
        if self.compare_events:
            _events(seq, events, record["events"])
            _postings(seq, postings, record["postings"])
        self.counts["record " + kind] += 1
        for e in events:
            label = e["type"] + "".join(
                " " + e[k] for k in ("result", "state", "reason") if e.get(k)
            )
            self.counts[label] += 1
        for p in postings:
            self.counts["posting " + p["ref_type"]] += 1
        if self.machine.seq % 5000 == 0:
            self.machine.book.check_all()
        return events, postings

    def _signature(self, record):
        if record["account"] != checksum_address(record["account"]):
            raise Difference(
                record["seq"], "account", checksum_address(record["account"]), record["account"]
            )
        if self.signatures > 0 and record.get("session") is None:
            self.signatures -= 1
            signer = recover(tap_text(record), record["sig"])
            if signer != record["account"]:
                raise Difference(record["seq"], "signer", signer, record["account"])
            self.counts["signature recovered"] += 1

    def _config(self, record):
        in_force = self.machine.configuration
        if record["epoch"] != str(in_force.epoch):
            raise Difference(record["seq"], "epoch", in_force.epoch, record["epoch"])
        for key, value in in_force.now.items():
            if record.get(key) != str(value):
                raise Difference(record["seq"], key, str(value), record.get(key))

    def finish(self):
        self.machine.book.check_all()
