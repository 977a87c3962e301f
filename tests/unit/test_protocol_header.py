"""[HDR-1] to [HDR-4]: header, and the leaves under its roots."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_client.protocol import merkle
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.header import LINKED_BYTES, AppLeaves, Header, StateLeaves
from tests.protocol_examples import chain


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"version": 2},
        {"flags": 1},
        {"height": 0},
        {"slot": 0},
        {"proposer": 4},
        {"validators": 0},
        {"validators": 17},
    ],
    ids=str,
)
def test_headers_without_a_meaning_are_refused(change: dict[str, Any]) -> None:
    header = chain().headers[0]
    assert Header.decode(header.encode()) == header
    with pytest.raises(DecodeError):
        Header.decode(replace(header, **change).encode())


def test_the_hash_is_of_one_chain() -> None:
    header = chain().headers[0]
    assert header.hash(b"a" * 32) == digest(Tag.HEADER, b"a" * 32, header.encode())
    assert header.hash(b"a" * 32) != header.hash(b"b" * 32)


def test_a_linked_header_lacks_its_history_root_only() -> None:
    header = chain().headers[1]
    linked = header.encode_linked()
    assert len(linked) == LINKED_BYTES == 84
    assert Header.decode_linked(linked, header.history_root) == header
    assert Header.decode_linked(linked, bytes(32)) == replace(header, history_root=bytes(32))
    for broken in (linked[:-1], linked + b"\x00", header.encode()):
        with pytest.raises(DecodeError):
            Header.decode_linked(broken, header.history_root)


def test_roots_are_over_four_tagged_leaves() -> None:
    leaves = [bytes([i]) * 32 for i in range(4)]
    assert AppLeaves(*leaves).root() == merkle.root([digest(Tag.APP, leaf) for leaf in leaves])
    assert StateLeaves(*leaves).root() == merkle.root([digest(Tag.STATE, leaf) for leaf in leaves])
