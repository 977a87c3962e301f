"""[ASK-1] to [ASK-4], [MSG-1], [RCP-1]: messages between devices and validators, and their bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_client.protocol.chunks import Bitmap, ObjectKind
from edge_client.protocol.encoding import uint
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.keys import verify
from edge_client.protocol.messages import (
    ACCEPTED,
    REASONS,
    REFUSED,
    Ask,
    GetChunks,
    GetHeaders,
    Receipt,
    UpdateOffer,
    decode_say,
    decode_validator_say,
)
from tests.builders import make_signers
from tests.protocol_examples import chain, examples

SIGNER = make_signers(1)[0]
CHAIN = chain().chain_id


@pytest.mark.parametrize("kind", [0, 5, 255])
def test_unknown_kinds_are_refused(kind: int) -> None:
    for decode in (decode_say, decode_validator_say, Ask.decode):
        with pytest.raises(DecodeError):
            decode(bytes([kind]) + bytes(200))


@pytest.mark.parametrize("decode", [decode_say, decode_validator_say, Ask.decode, UpdateOffer.decode])
def test_nothing_is_no_message(decode: Any) -> None:
    with pytest.raises(DecodeError):
        decode(b"")


@pytest.mark.parametrize(("first", "last"), [(0, 1), (0, 0), (5, 4)])
def test_headers_are_asked_for_in_ascending_order(first: int, last: int) -> None:
    with pytest.raises(DecodeError):
        Ask.decode(Ask(1, 0, GetHeaders(first, last)).encode())


def test_an_offer_lists_one_hash_a_chunk() -> None:
    offer = examples()["UpdateOffer"].value
    for hashes in ((), offer.chunk_hashes * 2):
        with pytest.raises(DecodeError, match=f"{len(hashes)} chunk hashes for 10 bytes"):
            UpdateOffer.decode(replace(offer, chunk_hashes=hashes).encode())


@pytest.mark.parametrize("kind", [0, len(ObjectKind) + 1, 255])
def test_objects_of_unknown_kinds_are_not_asked_for(kind: int) -> None:
    data = Ask(1, 0, GetChunks(ObjectKind.MODEL, bytes(32), Bitmap(0, 0))).encode()
    assert data[10] == ObjectKind.MODEL
    with pytest.raises(DecodeError, match="kind"):
        Ask.decode(data[:10] + uint(kind, 1) + data[11:])


@pytest.mark.parametrize(
    ("verdict", "reason"), [(0, 0), (3, 0), (ACCEPTED, 1), (REFUSED, len(REASONS))], ids=str
)
def test_receipts_without_a_meaning_are_refused(verdict: int, reason: int) -> None:
    with pytest.raises(DecodeError):
        Receipt.decode(Receipt(verdict, reason, 1, bytes(32)).encode())


def test_a_receipt_is_signed_by_its_validator() -> None:
    receipt = Receipt(REFUSED, REASONS.index(Reason.STALE), 9, b"r" * 32).sign(SIGNER, CHAIN)
    receipt.verify(CHAIN, SIGNER.public_key, verify)
    other = make_signers(2)[1].public_key
    for broken, key in ((receipt, other), (replace(receipt, height=8), SIGNER.public_key)):
        with pytest.raises(ProtocolError) as caught:
            broken.verify(CHAIN, key, verify)
        assert caught.value.reason == Reason.BAD_SIGNATURE
