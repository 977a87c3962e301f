"""Manifest: one encoding, and every senseless value is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_client.protocol.errors import DecodeError
from edge_client.protocol.manifest import PARAMETERS_MAX, Loss, Manifest, TensorSpec
from edge_client.protocol.model import PARAMETERS_MAX as MODEL_PARAMETERS_MAX

DIGITS = Manifest(
    loss=Loss.SOFTMAX_CROSS_ENTROPY,
    batch=10,
    outputs=10,
    input_dims=(64,),
    tensors=(TensorSpec("dense_1/kernel", (32, 64)), TensorSpec("dense_1/bias", (32,))),
    input_scale_den=16,
)


def test_a_manifest_holds_as_many_parameters_as_a_model() -> None:
    assert PARAMETERS_MAX == MODEL_PARAMETERS_MAX


def test_layout_is_the_documented_one() -> None:
    small = replace(DIGITS, tensors=(TensorSpec("w", (2, 3)),))
    assert small.encode().hex() == ("01001400000a000a0000000100000010010000004000010177020000000200000003")


def test_an_inference_hash_stands_at_the_end_behind_a_flag() -> None:
    named = replace(DIGITS, inference_hash=bytes(range(32)))
    plain = DIGITS.encode()
    assert named.encode() == plain[:3] + b"\1" + plain[4:] + bytes(range(32))
    assert Manifest.decode(named.encode()) == named
    for data in (named.encode()[:-1], plain + bytes(32), plain[:3] + b"\2" + plain[4:]):
        with pytest.raises(DecodeError):
            Manifest.decode(data)


def test_round_trip_and_counts() -> None:
    assert Manifest.decode(DIGITS.encode()) == DIGITS
    assert DIGITS.sizes == (2048, 32)
    assert DIGITS.parameter_count == 2080


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("frac_bits", {"frac_bits": 31}),
        ("batch", {"batch": 0}),
        ("outputs", {"outputs": 0}),
        ("input scale", {"input_scale_den": 0}),
        ("rank", {"input_dims": (1,) * 7}),
        ("input of", {"input_dims": (1 << 20, 1 << 20)}),
        ("dims", {"input_dims": (0,)}),
        ("tensors", {"tensors": ()}),
        ("same name", {"tensors": (TensorSpec("w", (1,)), TensorSpec("w", (2,)))}),
        ("ASCII", {"tensors": (TensorSpec("w\n", (1,)),)}),
        ("name of 0", {"tensors": (TensorSpec("", (1,)),)}),
        ("parameters", {"tensors": (TensorSpec("w", (1 << 13, 1 << 13)),)}),
    ],
)
def test_senseless_values_are_refused(what: str, change: dict[str, Any]) -> None:
    with pytest.raises(DecodeError, match=what):
        replace(DIGITS, **change).encode()


@pytest.mark.parametrize(("at", "value"), [(0, 2), (1, 4), (2, 31), (3, 1), (5, 0), (7, 0), (16, 7)], ids=str)
def test_senseless_bytes_are_refused(at: int, value: int) -> None:
    data = bytearray(DIGITS.encode())
    data[at] = value
    with pytest.raises(DecodeError):
        Manifest.decode(bytes(data))


def test_every_truncation_and_trailing_byte_is_refused() -> None:
    data = DIGITS.encode()
    for end in range(len(data)):
        with pytest.raises(DecodeError):
            Manifest.decode(data[:end])
    with pytest.raises(DecodeError, match="trailing"):
        Manifest.decode(data + b"\0")
