"""Puts back what the answer to a wake-up left out, from what the device holds [WAK-3].

What comes out is as untrusted as what went in: account and updates are true when the head is, and that is for
the light client to say. Only the places are checked here: that updates lead into the range under the head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_client.core.trusted import Tip
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.body import RecordProof
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.light import LightBlock
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.mmr_extension import Extended, extend
from edge_client.protocol.proofs import AncestorProof
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.wake import NAME_BYTES, Awake, BareHead, EarlierHeader, Shown


@dataclass(frozen=True, slots=True)
class Known:
    """What a device holds that an answer may leave out: its chain and tip, the set it trusts, its key, and
    its pending updates by root."""

    chain_id: bytes
    tip: Tip
    validators_root: bytes
    public_key: bytes
    updates: Mapping[bytes, UpdateHead]


@dataclass(frozen=True, slots=True)
class Jump:
    """A head, and the way to it from the tip: the extension of the range and the peaks it leads to."""

    block: LightBlock
    extension: tuple[bytes, ...]
    peaks: Peaks


@dataclass(frozen=True, slots=True)
class Placed:
    """That a pending update stands in the block of `height`. `ancestor` is the way of that block's header to
    the head; None for the head's own block and for blocks whose header the device has."""

    update_root: bytes
    height: int
    proof: RecordProof
    ancestor: AncestorProof | None


@dataclass(frozen=True, slots=True)
class Awoken:
    """An answer in full; `jump` is None when the validator's head is not above the tip."""

    height: int
    jump: Jump | None
    account: AccountProof | None
    placed: tuple[Placed, ...]


def awoken(awake: Awake, known: Known) -> Awoken | None:
    """The whole of an answer; None for one to a question asked before the tip moved; raises
    `ProtocolError`."""
    account = None if awake.account is None else awake.account.proof(known.public_key)
    head = awake.head
    if isinstance(head, BareHead) and head.above != known.tip.height:
        return None
    total = head.height if isinstance(head, BareHead) else known.tip.height + 1
    hashes = head.extension if isinstance(head, BareHead) else ()
    extended = extend(known.tip.peaks, total, hashes)
    jump = _jump(head, extended, account, known.validators_root) if isinstance(head, BareHead) else None
    updates = {root[:NAME_BYTES]: update for root, update in known.updates.items()}
    asked = ((one, updates.get(one.name)) for one in awake.shown)
    placed = [_place(one, update, known.chain_id, extended) for one, update in asked if update is not None]
    return Awoken(awake.height, jump, account, tuple(placed))


def _jump(head: BareHead, extended: Extended, account: AccountProof | None, validators_root: bytes) -> Jump:
    accounts_root = head.accounts_root if account is None else account.root()
    if accounts_root is None:
        raise ProtocolError(Reason.WRONG_HASH, "account proof of the wrong shape")
    block = head.light_block(extended.peaks.root(), validators_root, accounts_root)
    return Jump(block, head.extension, extended.peaks)


def _place(shown: Shown, update: UpdateHead, chain_id: bytes, extended: Extended) -> Placed:
    at, root = shown.at, update.update_root
    if not isinstance(at, EarlierHeader):
        return Placed(root, at, shown.record, None)
    body_root = shown.record.body_root_for(update)
    if body_root is None:
        raise ProtocolError(Reason.WRONG_HASH, "record proof of the wrong shape")
    header = at.header(body_root)
    siblings = extended.siblings(header.hash(chain_id), header.height, at.below)
    return Placed(root, header.height, shown.record, AncestorProof(header, siblings))
