"""The block header: 116 bytes that commit to all of history, the block's records and the state after it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from edge_client.protocol import merkle
from edge_client.protocol.encoding import Fixed, Layout
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.hashing import Tag, hasher
from edge_client.protocol.validators import VALIDATORS_MAX

HEADER_VERSION = 1
LINKED_BYTES = 84
SET_NODES_REMEMBERED_MAX = 8
_of_header, _of_app_leaf, _of_state_leaf = hasher(Tag.HEADER), hasher(Tag.APP), hasher(Tag.STATE)


@dataclass(frozen=True, slots=True)
class Header(Fixed):
    """One header. `height` counts decided blocks (genesis is 0 and has no header), `slot` consensus attempts;
    `time_s` is seconds since genesis and never decreases along the chain."""

    LAYOUT: ClassVar[Layout] = Layout(
        "Header",
        ("version", "u8"),
        ("flags", "u8"),
        ("proposer", "u8"),
        ("validators", "u8"),
        ("height", "u32"),
        ("slot", "u32"),
        ("time_s", "u32"),
        ("epoch", "u32"),
        ("history_root", "b32"),
        ("body_root", "b32"),
        ("app_root", "b32"),
    )
    version: int
    flags: int
    proposer: int
    validators: int
    height: int
    slot: int
    time_s: int
    epoch: int
    history_root: bytes
    body_root: bytes
    app_root: bytes

    def check(self) -> None:
        """Only version 1 without flags exists; heights and slots start at 1 [HDR-1]."""
        if self.version != HEADER_VERSION or self.flags or not self.height or not self.slot:
            raise DecodeError(f"Header: version {self.version}, flags {self.flags}, height {self.height}")
        if not self.proposer < self.validators <= VALIDATORS_MAX:
            raise DecodeError(f"Header: proposer {self.proposer} of {self.validators}")

    def hash(self, chain_id: bytes) -> bytes:
        """The header hash, bound to its chain [HDR-3]."""
        return header_hash(chain_id, self.encode())

    def encode_linked(self) -> bytes:
        """The 84 bytes for who can rebuild `history_root` from its peaks [HDR-4]."""
        return _LINKED.pack(self)

    @classmethod
    def decode_linked(cls, data: bytes, history_root: bytes) -> Header:
        """Rebuild a header from its 84-byte form; raises `DecodeError`."""
        return cls.decode(unlinked(data, history_root))


_LINKED = Layout("linked header", *(one for one in Header.LAYOUT.fields if one[0] != "history_root"))


def header_hash(chain_id: bytes, encoded: bytes) -> bytes:
    """`Header.hash` of a header whose 116 bytes are at hand."""
    return _of_header(chain_id + encoded)


def unlinked(data: bytes, history_root: bytes) -> bytes:
    """The 116 bytes of a header from its 84; raises `DecodeError`."""
    if len(data) != LINKED_BYTES:
        raise DecodeError(f"Header: {len(data)} bytes instead of {LINKED_BYTES}")
    return data[:20] + history_root + data[20:]


@dataclass(frozen=True, slots=True)
class AppLeaves(Fixed):
    """The four leaves under `app_root`: the state of everything after the block."""

    LAYOUT: ClassVar[Layout] = Layout(
        "AppLeaves",
        ("model_root", "b32"),
        ("state_root", "b32"),
        ("validators_root", "b32"),
        ("next_validators_root", "b32"),
    )
    model_root: bytes
    state_root: bytes
    validators_root: bytes
    next_validators_root: bytes

    def root(self) -> bytes:
        """`app_root`."""
        return app_root_of(self.left(), self.validators_root, self.next_validators_root)

    def left(self) -> bytes:
        """The node over model and state: all that stands beside the validator sets under `app_root`."""
        return merkle.node_hash(_of_app_leaf(self.model_root), _of_app_leaf(self.state_root))


def app_root_of(left: bytes, validators_root: bytes, next_validators_root: bytes) -> bytes:
    """`app_root` for who is shown the validator sets and nothing of the other two leaves."""
    return merkle.seal(4, merkle.node_hash(left, _over_sets(validators_root, next_validators_root)))


@lru_cache(maxsize=SET_NODES_REMEMBERED_MAX)
def _over_sets(validators_root: bytes, next_validators_root: bytes) -> bytes:
    """The node over the two validator sets; remembered, because they change once an epoch."""
    return merkle.node_hash(_of_app_leaf(validators_root), _of_app_leaf(next_validators_root))


@dataclass(frozen=True, slots=True)
class StateLeaves(Fixed):
    """The four leaves under `state_root`."""

    LAYOUT: ClassVar[Layout] = Layout(
        "StateLeaves",
        ("accounts_root", "b32"),
        ("params_hash", "b32"),
        ("learning_root", "b32"),
        ("seats_root", "b32"),
    )
    accounts_root: bytes
    params_hash: bytes
    learning_root: bytes
    seats_root: bytes

    def root(self) -> bytes:
        """`state_root`."""
        left = merkle.node_hash(_of_state_leaf(self.accounts_root), _of_state_leaf(self.params_hash))
        right = merkle.node_hash(_of_state_leaf(self.learning_root), _of_state_leaf(self.seats_root))
        return merkle.seal(4, merkle.node_hash(left, right))
