"""[ENC-2]: whatever decodes encodes to the same bytes; nothing but `DecodeError` comes out of a decoder."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_client.protocol.encoding import Fixed
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.state_object import decode_state, encode_state
from edge_client.protocol.update import UpdateBody
from tests.protocol_examples import Example, chain, examples

INTEGERS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64}
FLAT = [
    name
    for name, example in examples().items()
    if isinstance(example.value, Fixed) and not name.startswith(("record", "say", "ParamsChange"))
]


def encoded(example: Example, value: Any) -> bytes:
    """Encode as the example was: with the byte that names its kind, if it has one."""
    parts = value if isinstance(value, tuple) else (value,)
    own = example.value if isinstance(example.value, tuple) else (example.value,)
    prefix = len(example.data) - sum(len(part.encode()) for part in own)
    return example.data[:prefix] + b"".join(part.encode() for part in parts)


def of_kind(kind: str) -> st.SearchStrategy[Any]:
    if kind in INTEGERS:
        top = (1 << INTEGERS[kind]) - 1
        return st.sampled_from([0, 1, top]) | st.integers(0, top)
    size = int(kind[1:])
    return st.binary(min_size=size, max_size=size)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FLAT), st.data())
def test_random_fields_read_back_or_are_refused(name: str, data: st.DataObject) -> None:
    example = examples()[name]
    fields = type(example.value).LAYOUT.fields
    chosen = data.draw(st.sets(st.sampled_from([field for field, _ in fields]), max_size=len(fields)))
    values = [
        data.draw(of_kind(kind)) if field in chosen else getattr(example.value, field)
        for field, kind in fields
    ]
    value = type(example.value)(*values)
    try:
        value.check()
    except DecodeError:
        with pytest.raises(DecodeError):
            type(value).decode(value.encode())
    else:
        assert type(value).decode(value.encode()) == value


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Up to four stretches of up to eight bytes replaced by others, not always as many."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(at + 8, len(data))))
        data = data[:at] + draw(st.binary(max_size=8)) + data[end:]
    return data


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(examples())), st.data())
def test_mutated_bytes_are_refused_or_have_one_encoding(name: str, data: st.DataObject) -> None:
    example = examples()[name]
    received = data.draw(mutated(example.data))
    try:
        value = example.decode(received)
    except DecodeError:
        return
    assert encoded(example, value) == received


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600))
def test_garbage_is_refused(garbage: bytes) -> None:
    """Every decoder, and nothing but `DecodeError`; what by chance is valid is one of the tiny structs."""
    for example in examples().values():
        try:
            value = example.decode(garbage)
        except DecodeError:
            continue
        assert len(encoded(example, value)) == len(garbage)


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=5),
    st.data(),
)
def test_update_bodies_read_back(sizes: list[int], data: st.DataObject) -> None:
    raw = data.draw(st.binary(min_size=len(sizes) + sum(sizes), max_size=len(sizes) + sum(sizes)))
    try:
        body = UpdateBody.decode(raw, sizes)
    except DecodeError:
        exponents, codes = raw[: len(sizes)], raw[len(sizes) :]
        assert 128 in codes or any(1 <= e <= 225 for e in exponents)
        return
    assert body.encode() == raw
    assert all(-30 <= e <= 0 for e in body.exponents)
    assert all(-127 <= q <= 127 for q in body.codes.tolist())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_mutated_state_is_refused_or_has_one_encoding(data: st.DataObject) -> None:
    received = data.draw(mutated(encode_state(chain().state)))
    try:
        state = decode_state(received)
    except DecodeError:
        return
    assert encode_state(state) == received
