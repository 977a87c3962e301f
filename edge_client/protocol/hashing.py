"""BLAKE2b-256 with a domain tag in `person`, so that no two kinds of things can share a hash [HASH-1]."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from hashlib import blake2b

HASH_BYTES = 32
ZERO_HASH = bytes(HASH_BYTES)


class Tag(bytes, Enum):
    """Every hash domain of the protocol; at most 16 bytes each (the `person` field of BLAKE2b)."""

    GENESIS = b"flc/genesis"
    HEADER = b"flc/hdr"
    LEAF = b"flc/leaf"
    NODE = b"flc/node"
    TREE = b"flc/tree"
    MMR = b"flc/mmr"
    MMR_NODE = b"flc/mmrnode"
    BODY = b"flc/body"
    JUST = b"flc/just"
    APP = b"flc/app"
    STATE = b"flc/state"
    LEARNING = b"flc/learn"
    BASES = b"flc/bases"
    PARAMS = b"flc/params"
    VALIDATORS = b"flc/vals"
    CHUNK = b"flc/chunk"
    UPDATE = b"flc/update"
    MODEL = b"flc/model"
    BLOB = b"flc/blob"
    ACCOUNT = b"flc/acct"
    DEVICE = b"flc/device"
    SELECT = b"flc/select"
    LEADER = b"flc/leader"
    ASK = b"flc/ask"
    CERTIFICATE = b"flc/cert"
    JOIN = b"flc/join"
    SCORE = b"flc/score"
    SEATS = b"flc/seats"
    ELECTION = b"flc/elect"
    INFERENCE = b"flc/infer"


_EMPTY = {tag: blake2b(digest_size=HASH_BYTES, person=tag.value) for tag in Tag}
"""Copied and never fed: half of what a hash of a header costs is setting up its parameters."""


def digest(tag: Tag, *parts: bytes) -> bytes:
    """BLAKE2b-256 of the joined parts under `tag`; callers pass parts of fixed width or behind a length."""
    state = _EMPTY[tag].copy()
    state.update(b"".join(parts))
    return state.digest()


def hasher(tag: Tag) -> Callable[[bytes], bytes]:
    """`digest` of one part under one tag, for the nodes of trees: a light client makes twenty a block."""
    start = _EMPTY[tag].copy

    def of(data: bytes) -> bytes:
        state = start()
        state.update(data)
        return state.digest()

    return of
