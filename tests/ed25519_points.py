"""Edwards25519 in plain integers, slow: enough to build signatures on which Ed25519 libraries disagree.

Written from RFC 8032 §5.1 for tests only; nothing signs or verifies with it in the product.
"""

from __future__ import annotations

from hashlib import sha512

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int]
_Extended = tuple[int, int, int, int]  # X, Y, Z, T: the point (X/Z, Y/Z), and T = XY/Z
ZERO: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    """Sum of two points (complete: also doubles)."""
    t = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + t, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P)
    return x % P, y % P


def times(scalar: int, point: Point) -> Point:
    """`scalar` times a point; divides once, at the end (RFC 8032 §5.1.4)."""
    out, doubled = _extended(ZERO), _extended(point)
    while scalar:
        if scalar & 1:
            out = _add_extended(out, doubled)
        doubled, scalar = _add_extended(doubled, doubled), scalar >> 1
    inverse = pow(out[2], -1, P)
    return out[0] * inverse % P, out[1] * inverse % P


def _extended(point: Point) -> _Extended:
    return point[0], point[1], 1, point[0] * point[1] % P


def _add_extended(one: _Extended, two: _Extended) -> _Extended:
    a = (one[1] - one[0]) * (two[1] - two[0])
    b = (one[1] + one[0]) * (two[1] + two[0])
    c, d = 2 * D * one[3] * two[3] % P, 2 * one[2] * two[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


def negative(point: Point) -> Point:
    """The inverse."""
    return -point[0] % P, point[1]


def encode(point: Point) -> bytes:
    """The canonical 32 bytes."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def from_y(y: int, x_is_odd: int) -> Point | None:
    """The point with this y, if there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P or (x == 0 and x_is_odd):
        return None
    return (x if x & 1 == x_is_odd else P - x), y


def _base() -> Point:
    point = from_y(4 * pow(5, -1, P) % P, 0)
    assert point is not None
    return point


def _order_eight() -> Point:
    """L times a random point leaves its torsion part; the first one of full order 8."""
    for y in range(2, 100):
        point = from_y(y, 0)
        if point is not None and times(4, times(L, point)) != ZERO:
            return times(L, point)
    raise AssertionError


BASE = _base()
TORSION = tuple(times(i, _order_eight()) for i in range(8))
"""The eight points of small order; the first is zero, index 4 has order 2, odd indices order 8."""


def challenge(r_bytes: bytes, key: bytes, message: bytes) -> int:
    """SHA-512(R, A, M) modulo L."""
    return int.from_bytes(sha512(r_bytes + key + message).digest(), "little") % L


def equation_holds(key: Point, r: Point, s: int, h: int) -> bool:
    """Without cofactor: sB == R + hA."""
    return times(s, BASE) == add(r, times(h, key))


def cofactor_equation_holds(key: Point, r: Point, s: int, h: int) -> bool:
    """With cofactor: 8sB == 8R + 8hA."""
    return times(8 * s, BASE) == times(8, add(r, times(h, key)))
