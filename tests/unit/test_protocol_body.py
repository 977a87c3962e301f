"""[BOD-1] to [BOD-4], [BLK-1], [BLK-2]: records in order, what is committed, what can be proven."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.protocol.body import BODY_BYTES_MAX, Body, decode_block, encode_block
from edge_client.protocol.encoding import uint
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.records import encode_record
from edge_client.protocol.votes import encode_certificates
from tests.builders import make_signers, register
from tests.protocol_examples import chain

RECORDS = tuple(register(one, chain().chain_id) for one in make_signers(5, "device"))
FINAL = chain().certificate(1)


def raw(*encoded: bytes) -> bytes:
    return uint(len(encoded), 2) + b"".join(encoded) + encode_certificates(())


def test_records_are_sorted_by_their_bytes() -> None:
    body = Body.of(reversed(RECORDS), [FINAL])
    encoded = [encode_record(record) for record in body.records]
    assert encoded == sorted(encoded)
    assert Body.decode(body.encode()) == body
    assert body.root() == Body.of(RECORDS, [FINAL]).root()


def test_another_order_or_a_repeated_record_is_refused() -> None:
    first, second = sorted(encode_record(record) for record in RECORDS[:2])
    assert len(Body.decode(raw(first, second)).records) == 2
    for records in ((second, first), (first, first)):
        with pytest.raises(DecodeError, match="out of order"):
            Body.decode(raw(*records))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(BODY_BYTES_MAX + 1), Reason.OVERSIZE),
        (b"\x08\x01", Reason.MALFORMED),
        (b"\x00\x01\x03" + bytes(400), Reason.MALFORMED),
        (b"\x00\x00\xff\xff", Reason.MALFORMED),
        (b"", Reason.MALFORMED),
    ],
    ids=["too long", "too many records", "unknown tag", "too many certificates", "nothing"],
)
def test_hostile_bodies_are_refused(data: bytes, reason: Reason) -> None:
    with pytest.raises(DecodeError) as caught:
        Body.decode(data)
    assert caught.value.reason == reason


def test_the_root_covers_records_and_justification() -> None:
    bodies = [Body.of(RECORDS, []), Body.of(RECORDS[:4], []), Body.of(RECORDS, [FINAL]), Body.of([], [])]
    assert len({body.root() for body in bodies}) == 4


@pytest.mark.parametrize("count", range(1, 6))
def test_every_record_is_proven(count: int) -> None:
    body = Body.of(RECORDS[:count], [FINAL])
    for index, record in enumerate(body.records):
        proof = body.prove(index)
        assert proof.body_root_for(record) == body.root()
        assert proof.body_root_for(RECORDS[4] if record != RECORDS[4] else RECORDS[0]) != body.root()
        assert replace(proof, count=count + 7).body_root_for(record) != body.root()
        assert replace(proof, justification_hash=bytes(32)).body_root_for(record) != body.root()


def test_updates_come_out_ascending_by_account() -> None:
    assert [head.account for head in chain().bodies[3].updates] == [0, 2]


def test_a_block_carries_the_body_its_header_commits_to() -> None:
    header, body = chain().headers[1], chain().bodies[1]
    assert decode_block(encode_block(header, body)) == (header, body)
    with pytest.raises(DecodeError) as caught:
        decode_block(encode_block(header, chain().bodies[0]))
    assert caught.value.reason == Reason.WRONG_HASH
