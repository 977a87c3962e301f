"""[AGG-1]: the exchanged vector, its bytes and its border to floats."""

from __future__ import annotations

import numpy as np
import pytest

from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.model import PARAMETERS_MAX, decode_model, encode_model, to_fixed, to_float


def test_models_are_big_endian_int32() -> None:
    vector = np.array([1, -2, 2**31 - 1, -(2**31)], dtype=np.int32)
    data = encode_model(vector)
    assert data.hex() == "00000001fffffffe7fffffff80000000"
    decoded = decode_model(data, 4)
    assert decoded.dtype == np.int32
    assert decoded.tolist() == vector.tolist()


@pytest.mark.parametrize("size", [0, 3, 12, 17])
def test_models_of_another_size_are_refused(size: int) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_model(bytes(size), 4)
    assert caught.value.reason == Reason.WRONG_SHAPE


def test_the_largest_model_fits_the_chunk_protocol() -> None:
    assert PARAMETERS_MAX == 1 << 24


@pytest.mark.parametrize(
    ("value", "fixed"),
    [
        (0.0, 0),
        (1.0, 1 << 20),
        (-1.5, -3 << 19),
        (2.0**-21, 0),
        (1.5 * 2.0**-20, 2),
        (1e9, 2**31 - 1),
        (-1e9, -(2**31)),
    ],
)
def test_floats_become_the_nearest_fixed_point_value(value: float, fixed: int) -> None:
    assert to_fixed(np.array([value], dtype=np.float32), 20).tolist() == [fixed]


@pytest.mark.parametrize("frac_bits", [0, 20, 30])
def test_24_bits_survive_the_way_to_floats_and_back(frac_bits: int) -> None:
    vector = np.array([0, 1, -1, 2**24 - 1, -(2**24)], dtype=np.int32)
    floats = to_float(vector, frac_bits)
    assert floats.dtype == np.float32
    assert to_fixed(floats, frac_bits).tolist() == vector.tolist()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_no_chain_starts_with_nan(bad: float) -> None:
    with pytest.raises(ValueError, match="NaN"):
        to_fixed(np.array([0, bad], dtype=np.float32), 20)
