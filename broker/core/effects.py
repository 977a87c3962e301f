"""What a validator asks of its shell beside messages. Each Persist is synced to disk before the next effect."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.accounts import Account
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.header import Header
from edge_client.protocol.messages import UpdateOffer
from edge_client.protocol.state import ChainState
from edge_client.protocol.votes import Certificate


@dataclass(frozen=True, slots=True)
class StoreObject:
    """Persist bytes under their root (a model, or params)."""

    kind: ObjectKind
    root: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class StoreUpdate:
    """Persist a complete update: offer and body. Only then is a receipt signed."""

    offer: UpdateOffer
    body: bytes


@dataclass(frozen=True, slots=True)
class StoreBlock:
    """Persist a checked candidate block (header and body) before any vote for it."""

    header_hash: bytes
    parent_hash: bytes
    header: Header
    body: bytes


@dataclass(frozen=True, slots=True)
class StoreFinal:
    """Persist that a stored block is final, and the state after it, in one transaction.

    `accounts` are the changed and new ones only; `certificate` is set for the block it names, None for
    ancestors that it finalises with it.
    """

    height: int
    header_hash: bytes
    certificate: Certificate | None
    state: ChainState
    accounts: tuple[tuple[int, Account], ...]
    model: bytes | None
    inclusions: tuple[tuple[bytes, int], ...]


ValidatorPersist = StoreObject | StoreUpdate | StoreBlock | StoreFinal
