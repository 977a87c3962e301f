"""[UPD-1] to [UPD-6]: head, body and root of a client update."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_client.protocol.chunks import CHUNK_BYTES
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.keys import verify
from edge_client.protocol.update import UpdateBody, UpdateHead, update_root, update_root_of
from tests.builders import make_signers
from tests.protocol_examples import chain

HEAD = chain().bodies[1].updates[0]
SIGNER = chain().signer_of(HEAD.account)


def test_a_head_is_176_bytes() -> None:
    assert len(HEAD.encode()) == 176


@pytest.mark.parametrize(
    "change",
    [
        {"codec": 1},
        {"flags": 1},
        {"reserved": 1},
        {"samples": 0},
        {"steps": 0},
        {"size": 0},
        {"round": 0},
    ],
    ids=str,
)
def test_heads_without_a_meaning_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DecodeError) as caught:
        UpdateHead.decode(replace(HEAD, **change).encode())
    assert caught.value.reason == Reason.OUT_OF_RANGE


def test_the_signature_covers_every_other_byte() -> None:
    HEAD.verify(chain().chain_id, SIGNER.public_key, verify)
    for at in range(0, 112, 7):
        data = bytearray(HEAD.encode())
        data[at] ^= 1
        broken = UpdateHead(*UpdateHead.LAYOUT.unpack(bytes(data)))
        with pytest.raises(ProtocolError) as caught:
            broken.verify(chain().chain_id, SIGNER.public_key, verify)
        assert caught.value.reason == Reason.BAD_SIGNATURE
    with pytest.raises(ProtocolError):
        HEAD.verify(b"another chain".ljust(32), SIGNER.public_key, verify)
    with pytest.raises(ProtocolError):
        HEAD.verify(chain().chain_id, make_signers(1)[0].public_key, verify)


def test_a_body_is_exponents_then_codes() -> None:
    body = UpdateBody((-30, 0), np.array([127, -127, 0], dtype=np.int8))
    assert body.encode().hex() == "e2007f8100"
    back = UpdateBody.decode(body.encode(), (2, 1))
    assert (back.exponents, back.codes.tolist()) == ((-30, 0), [127, -127, 0])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("e2007f81", Reason.WRONG_SHAPE),
        ("e2007f810000", Reason.WRONG_SHAPE),
        ("", Reason.WRONG_SHAPE),
        ("e1007f8100", Reason.OUT_OF_RANGE),
        ("e2017f8100", Reason.OUT_OF_RANGE),
        ("e2007f8000", Reason.OUT_OF_RANGE),
    ],
    ids=["short", "long", "empty", "exponent -31", "exponent 1", "code -128"],
)
def test_bodies_out_of_shape_or_range_are_refused(data: str, reason: Reason) -> None:
    with pytest.raises(DecodeError) as caught:
        UpdateBody.decode(bytes.fromhex(data), (2, 1))
    assert caught.value.reason == reason


def test_empty_tensors_are_allowed() -> None:
    assert UpdateBody.decode(b"\x00", (0,)).codes.tolist() == []


def test_the_root_covers_key_round_size_and_every_chunk() -> None:
    body = bytes(CHUNK_BYTES) + b"tail"
    key, other = (one.public_key for one in make_signers(2))
    roots = {
        update_root_of(key, 1, body),
        update_root_of(other, 1, body),
        update_root_of(key, 2, body),
        update_root_of(key, 1, body + b"\x00"),
        update_root_of(key, 1, b"\x01" + body[1:]),
    }
    assert len(roots) == 5
    hashes = [digest(Tag.CHUNK, body[:CHUNK_BYTES]), digest(Tag.CHUNK, b"tail")]
    assert update_root_of(key, 1, body) == update_root(key, 1, len(body), hashes)
