"""Client updates as small integers: int8 codes and one exponent per tensor, rounded without bias.

What rounding loses is the *residue*; it is carried into the next update, so that nothing a device learned is
lost for good. The residual of a device is a set of parts: the residue of its last update, and the bodies of
updates that were refused or expired. A part counts from the round in which it became free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import shake_256
from math import frexp

import numpy as np

from edge_client.protocol.model import Floats
from edge_client.protocol.update import CODE_MAX, EXPONENT_MAX, EXPONENT_MIN, UpdateBody

UNIFORM_BITS = 16
"""Of each value of [0, 1): a code is a hundred-thousandth part off at most, and that is in the residue."""
DRAWN_AT_ONCE = 1 << 15
"""So many values have a stream of their own: what is needed for a moment only is then small."""


def exponent_for(largest: float) -> int:
    """The smallest exponent in [-30, 0] with which `largest` fits into a code; 0 if none is large enough."""
    if largest <= 0.0:
        return EXPONENT_MIN
    mantissa, power = frexp(largest / CODE_MAX)
    exponent = power - 1 if mantissa == 0.5 else power
    return min(max(exponent, EXPONENT_MIN), EXPONENT_MAX)


def quantise(delta: Sequence[Floats], seed: bytes) -> tuple[UpdateBody, list[Floats]]:
    """Codes of a delta (one float32 array per tensor, any shape) and the residue that they lose.

    Stochastic rounding: a value between two codes becomes the upper one with the probability of its place
    between them. What lies beyond +-127 x 2^0 stays in the residue. Raises `ValueError` if a value is not
    finite.
    """
    exponents, residue = [], []
    codes, start = np.empty(sum(tensor.size for tensor in delta), np.int8), 0
    for number, tensor in enumerate(delta):
        flat = np.asarray(tensor, dtype=np.float32).ravel()
        exponent = exponent_for(_largest(flat))
        rounded = _rounded(flat, exponent, uniform(seed, number, flat.size))
        codes[start : start + flat.size] = rounded
        start += flat.size
        rounded *= np.float32(2.0**exponent)
        exponents.append(exponent)
        residue.append(np.subtract(flat, rounded, out=rounded).reshape(tensor.shape))
    return UpdateBody(tuple(exponents), codes), residue


def _largest(flat: Floats) -> float:
    """The largest magnitude, 0 of nothing."""
    largest = max(float(flat.max()), -float(flat.min())) if flat.size else 0.0
    if not np.isfinite(largest):
        raise ValueError("an update holds a value that is not finite: the training diverged")
    return largest


def uniform(seed: bytes, number: int, count: int) -> Iterator[Floats]:
    """`count` values of tensor `number`, evenly drawn from the middles of 2^16 parts of [0, 1), in pieces.

    Drawn by hashing: `numpy.random` costs 6 MiB of memory, and its streams may change with its version.
    """
    for start in range(0, count, DRAWN_AT_ONCE):
        name = number.to_bytes(4, "big") + start.to_bytes(4, "big") + seed
        stream = shake_256(name).digest(2 * min(count - start, DRAWN_AT_ONCE))
        values = np.frombuffer(stream, dtype="<u2").astype(np.float32)
        values += np.float32(0.5)
        values *= np.float32(2.0**-UNIFORM_BITS)
        yield values


def _rounded(flat: Floats, exponent: int, dither: Iterable[Floats]) -> Floats:
    """The codes, still as float32, in an array of their own.

    Powers of two scale exactly, and `np.ldexp` takes five times as long as a multiplication.
    """
    scaled: Floats = flat * np.float32(2.0**-exponent)
    start = 0
    for piece in dither:
        scaled[start : start + piece.size] += piece
        start += piece.size
    np.floor(scaled, out=scaled)
    return np.clip(scaled, -CODE_MAX, CODE_MAX, out=scaled)


def dequantise(body: UpdateBody, shapes: Sequence[tuple[int, ...]]) -> list[Floats]:
    """The delta an update stands for, one float32 array of each shape."""
    tensors, start = [], 0
    for exponent, shape in zip(body.exponents, shapes, strict=True):
        size = int(np.prod(shape, dtype=np.int64))
        codes = body.codes[start : start + size].astype(np.float32)
        codes *= np.float32(2.0**exponent)
        tensors.append(codes.reshape(shape))
        start += size
    return tensors


def encode_residue(residue: Sequence[Floats]) -> bytes:
    """Little-endian float32 of all tensors in order; never leaves the device."""
    return b"".join(np.ascontiguousarray(tensor, "<f4").data for tensor in residue)


def decode_residue(data: bytes, shapes: Sequence[tuple[int, ...]]) -> list[Floats]:
    """Inverse of `encode_residue`, not to be written to; raises `ValueError` when the length does not fit."""
    flat = np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False)
    sizes = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
    if flat.size != sum(sizes):
        raise ValueError(f"residue of {flat.size} values, not {sum(sizes)}")
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
