"""[REC-1], [REC-2]: tags of records, and the one encoding of each."""

from __future__ import annotations

import pytest

from edge_client.protocol.errors import DecodeError
from edge_client.protocol.evidence import ProposalPair, VotePair
from edge_client.protocol.params import RoundParams
from edge_client.protocol.records import (
    OptIn,
    OptOut,
    ParamsChange,
    RecordTag,
    Register,
    decode_record,
    encode_record,
)
from edge_client.protocol.update import UpdateHead
from tests.protocol_examples import examples

KNOWN = {
    RecordTag.UPDATE: UpdateHead,
    RecordTag.REGISTER: Register,
    RecordTag.PARAMS: ParamsChange,
    RecordTag.OPT_IN: OptIn,
    RecordTag.OPT_OUT: OptOut,
    RecordTag.EVIDENCE: VotePair,
    RecordTag.EVIDENCE_PROPOSALS: ProposalPair,
}


def test_only_records_of_this_version_have_a_meaning() -> None:
    for tag, kind in KNOWN.items():
        assert encode_record(examples()[f"record {kind.__name__}"].value)[0] == tag
    for unknown in set(range(256)) - {int(tag) for tag in KNOWN}:
        with pytest.raises(DecodeError, match="unknown record tag"):
            decode_record(bytes([unknown]) + bytes(300))


def test_nothing_is_no_record() -> None:
    with pytest.raises(DecodeError, match="missing"):
        decode_record(b"")


def test_signature_places_without_their_bit_are_zero() -> None:
    change = examples()["ParamsChange"].value
    assert [one is None for one in change.signatures] == [False, True, False, True]
    at = RoundParams.LAYOUT.size_bytes
    for signers in (0b0001, 0b0111, 0b10101, 0xFF):
        data = bytearray(change.encode())
        data[at] = signers
        if signers == 0b0111:  # a bit whose place is zero: a signature that will not verify
            assert ParamsChange.decode(bytes(data)).signatures[1] == bytes(64)
            continue
        with pytest.raises(DecodeError, match="signature without its bit"):
            ParamsChange.decode(bytes(data))
