"""The exchanged vector: int32 parameters, their bytes and the root that headers commit to.

Value of a parameter = int32 * 2**-frac_bits (frac_bits is in the manifest). The root is a Merkle tree over
pieces of 4,096 parameters (16 KiB, big-endian), so that a device can check and fetch single pieces.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_client.protocol.chunks import OBJECT_BYTES_MAX, pieces_root
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.hashing import Tag

Vector = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

PARAMETERS_MAX = OBJECT_BYTES_MAX // 4


def encode_model(vector: Vector) -> bytes:
    """Big-endian int32 bytes of the vector (shape [parameters])."""
    return vector.astype(">i4").tobytes()


def decode_model(data: bytes, parameter_count: int) -> Vector:
    """Inverse of `encode_model`; raises `DecodeError` on any other length."""
    if len(data) != 4 * parameter_count:
        raise DecodeError(f"model of {len(data)} bytes, not {4 * parameter_count}", Reason.WRONG_SHAPE)
    return np.frombuffer(data, dtype=">i4").astype(np.int32)


def model_root(data: bytes) -> bytes:
    """Root of a model's bytes [OBJ-2]."""
    return pieces_root(Tag.MODEL, data)


def to_float(vector: Vector, frac_bits: int) -> Floats:
    """The float32 values a device trains on: rounded once, since scaling by a power of two is exact."""
    values = vector.astype(np.float32)
    values /= 1 << frac_bits
    return values


def to_fixed(values: Floats, frac_bits: int) -> Vector:
    """Nearest fixed-point values, saturating, for the model of genesis; `ValueError` for NaN or infinity."""
    if not np.isfinite(values).all():
        raise ValueError("a model with NaN or infinite values cannot start a chain")
    scaled = values.astype(np.float64)
    scaled *= 1 << frac_bits
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -(2**31), 2**31 - 1, out=scaled).astype(np.int32)
