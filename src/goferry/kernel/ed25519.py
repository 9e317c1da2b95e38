"""Ed25519 signature verification (RFC 8032, section 5.1.7), strict, in pure Python.

It exists for hosts, where nothing but the standard library may be loaded; signing is the client's (cryptography).
Everything that it reads is public, so nothing here needs to run in constant time.

Strict means: the signature's `s` is below the group's order (no second form of one signature), the encodings of the
public key and of `R` are canonical (`y` below the field's prime, no negative zero), and a public key or an `R` of small
order is refused, for such a key would accept one signature for many messages. The equation checked is the cofactorless
one, `[s]B = R + [k]A`, as libsodium and OpenSSL check it.
"""

from __future__ import annotations

import functools
import hashlib

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)

# Extended homogeneous coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, x*y = T/Z (RFC 8032, section 5.1.4).
_Point = tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)


@functools.lru_cache(maxsize=32)
def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` (64 bytes) is the key's (32 bytes) over `message`; malformed input is False.

    The last answers are kept, for one process judges the same release several times (when it is sealed, before it is
    deployed, on its target), and each time costs some 10 ms.
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    key, commitment = _decode(public), _decode(signature[:32])
    if scalar >= _L or key is None or commitment is None or _small_order(key) or _small_order(commitment):
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
    return _equal(_double_multiply(scalar, challenge, _negate(key)), commitment)


def _decode(encoded: bytes) -> _Point | None:
    """Decode a point (RFC 8032, section 5.1.3); None when the encoding is not canonical or not on the curve."""
    sign = encoded[31] >> 7
    y = int.from_bytes(encoded, "little") & ((1 << 255) - 1)
    if y >= _P:
        return None
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _recover_x(y: int, sign: int) -> int | None:
    above, below = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = above * pow(below, 3, _P) * pow(above * pow(below, 7, _P), (_P - 5) // 8, _P) % _P
    # The candidate is a root, or is one times the root of -1, or there is none (RFC 8032, 5.1.3, step 3).
    if (below * x * x - above) % _P != 0:
        x = x * _SQRT_M1 % _P
    if (below * x * x - above) % _P != 0 or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


def _add(one: _Point, two: _Point) -> _Point:
    # Complete: right for two equal points and for the neutral one too, so no case is told apart.
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c = 2 * one[3] * two[3] * _D % _P
    d = 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _double(point: _Point) -> _Point:
    a, b, c = point[0] * point[0] % _P, point[1] * point[1] % _P, 2 * point[2] * point[2] % _P
    h = a + b
    e = h - (point[0] + point[1]) ** 2 % _P
    g = a - b
    f = c + g
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _negate(point: _Point) -> _Point:
    return (_P - point[0], point[1], point[2], _P - point[3])


def _equal(one: _Point, two: _Point) -> bool:
    return (one[0] * two[2] - two[0] * one[2]) % _P == 0 and (one[1] * two[2] - two[1] * one[2]) % _P == 0


def _small_order(point: _Point) -> bool:
    # The cofactor is 8, so three doublings bring every point of small order to the neutral one.
    return _equal(_double(_double(_double(point))), _NEUTRAL)


def _double_multiply(first: int, second: int, point: _Point) -> _Point:
    """Return `[first]B + [second]point` by one shared chain of doublings (Shamir's trick)."""
    table: list[_Point] = [_NEUTRAL, _BASE, point, _add(_BASE, point)]
    result = _NEUTRAL
    for bit in range(max(first.bit_length(), second.bit_length()) - 1, -1, -1):
        result = _double(result)
        index = (first >> bit & 1) | (second >> bit & 1) << 1
        if index:
            result = _add(result, table[index])
    return result


def _base_point() -> _Point:
    y = 4 * pow(5, _P - 2, _P) % _P
    x = _recover_x(y, 0)
    assert x is not None
    return (x, y, 1, x * y % _P)


_BASE = _base_point()
