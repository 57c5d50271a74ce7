"""Signed texts, Keccak-256, EIP-55 and EIP-191 recovery in plain Python: slow, small and
independent."""

from functools import lru_cache

_ROTATIONS = [
    [0, 36, 3, 41, 18],
    [1, 44, 10, 45, 2],
    [62, 6, 43, 15, 61],
    [28, 55, 25, 21, 56],
    [27, 20, 39, 8, 14],
]
_MASK = 2**64 - 1


def _round_constants():
    constants, lfsr = [], 1
    for _ in range(24):
        value = 0
        for j in range(7):
            if lfsr & 1:
                value |= 1 << ((1 << j) - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)
        constants.append(value)
    return constants


_CONSTANTS = _round_constants()


def _rotate(value, by):
    return ((value << by) | (value >> (64 - by))) & _MASK if by else value


def _permute(a):
    for constant in _CONSTANTS:
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[x - 1] ^ _rotate(c[(x + 1) % 5], 1) for x in range(5)]
        b = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                b[y][(2 * x + 3 * y) % 5] = _rotate(a[x][y] ^ d[x], _ROTATIONS[x][y])
        a = [
            [b[x][y] ^ (~b[(x + 1) % 5][y] & b[(x + 2) % 5][y]) for y in range(5)] for x in range(5)
        ]
        a[0][0] ^= constant
    return a


def keccak256(data):
    rate = 136
    padded = bytearray(data) + bytes(rate - len(data) % rate)
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    state = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), rate):
        for i in range(rate // 8):
            word = int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
            state[i % 5][i // 5] ^= word
        state = _permute(state)
    return b"".join(state[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


@lru_cache(maxsize=100000)
def checksum_address(address):
    """EIP-55 spelling of 0x and 40 hex digits."""
    digits = address[2:].lower()
    marks = keccak256(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(m, 16) > 7 else d for d, m in zip(digits, marks))


def tap_text(tap):
    """The exact text the player signed (interface.md section 2), rebuilt from a tap record."""
    return "\n".join(
        (
            "tap-bet-v1",
            "origin: " + tap["origin"],
            "account: " + tap["account"],
            "market: " + tap["market"],
            "column: " + tap["column"],
            "band: " + tap["band"],
            "stake: " + tap["stake"],
            "min_mult: " + tap["min_mult"],
            "config: " + tap["config"],
            "nonce: " + tap["nonce"],
            "time: " + tap["msg_time"],
        )
    )


# secp256k1, Jacobian coordinates.
_P = 2**256 - 2**32 - 977
_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
    1,
)
_ZERO = (0, 1, 0)


def _double(p):
    x, y, z = p
    if not z or not y:
        return _ZERO
    s = 4 * x * y * y % _P
    m = 3 * x * x % _P
    x2 = (m * m - 2 * s) % _P
    return x2, (m * (s - x2) - 8 * y**4) % _P, 2 * y * z % _P


def _add(p, q):
    if not p[2]:
        return q
    if not q[2]:
        return p
    z1, z2 = p[2] * p[2] % _P, q[2] * q[2] % _P
    u1, u2 = p[0] * z2 % _P, q[0] * z1 % _P
    s1, s2 = p[1] * z2 * q[2] % _P, q[1] * z1 * p[2] % _P
    if u1 == u2:
        return _double(p) if s1 == s2 else _ZERO
    h, r = u2 - u1, s2 - s1
    h2 = h * h % _P
    h3, v = h2 * h % _P, u1 * h2 % _P
    x = (r * r - h3 - 2 * v) % _P
    return x, (r * (v - x) - s1 * h3) % _P, h * p[2] * q[2] % _P


def _both(a, p, b, q):
    """a*p + b*q, bit by bit."""
    sums = (_ZERO, p, q, _add(p, q))
    result = _ZERO
    for bit in range(255, -1, -1):
        result = _double(result)
        result = _add(result, sums[(a >> bit & 1) | (b >> bit & 1) << 1])
    return result


def recover(text, signature):
    """The EIP-55 address that signed `text` by personal_sign, or None (rules.md section 8)."""
    raw = bytes.fromhex(signature[2:])
    if len(raw) != 65 or raw[64] not in (27, 28):
        return None
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
    if not 0 < r < _N or not 0 < s <= _N // 2:
        return None
    message = text.encode()
    digest = keccak256(b"\x19Ethereum Signed Message:\n%d" % len(message) + message)
    square = (pow(r, 3, _P) + 7) % _P
    y = pow(square, (_P + 1) // 4, _P)
    if y * y % _P != square:
        return None
    if y & 1 != raw[64] - 27:
        y = _P - y
    inverse = pow(r, -1, _N)
    key = _both(-int.from_bytes(digest, "big") * inverse % _N, _G, s * inverse % _N, (r, y, 1))
    if not key[2]:
        return None
    z = pow(key[2], -1, _P)
    point = key[0] * z * z % _P, key[1] * z**3 % _P
    public = point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")
    return checksum_address("0x" + keccak256(public)[12:].hex())
