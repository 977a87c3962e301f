"""The chain as a validator holds it: the finalised head, and checked candidate blocks above it.

A candidate is checked by re-executing it on its parent's state, so what is agreed on is the aggregated model
itself. Nothing here knows of votes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from broker.core.archive import Archive
from broker.core.effects import StoreBlock, StoredFinal, StoreFinal
from edge_client.protocol.body import Body, decode_block
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.execution.execute import Executed, Slot, check_close, execute
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.execution.succession import Parent, check_succession
from edge_client.protocol.header import HEADER_VERSION, Header
from edge_client.protocol.mmr import EMPTY, Peaks
from edge_client.protocol.records import Record
from edge_client.protocol.state import ChainState
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.votes import Certificate

CANDIDATES_MAX = 32
"""Of more, those of the lowest slots go; one that becomes final all the same is executed again from disk."""


@dataclass(frozen=True, slots=True)
class Tip:
    """A block somebody can build on: the finalised head or a candidate. `peaks` hold its own hash already."""

    hash: bytes
    height: int
    slot: int
    time_s: int
    peaks: Peaks
    state: ChainState

    def as_parent(self) -> Parent:
        """What the rules of succession look at."""
        return Parent(self.height, self.slot, self.time_s, self.peaks.root(), self.state)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A checked block that is not final yet."""

    tip: Tip
    parent_hash: bytes
    header: Header
    body: Body
    executed: Executed


@dataclass(frozen=True, slots=True)
class Clock:
    """Chain time as one validator sees it: seconds since genesis, and how far a header may be off (R2)."""

    t0_s: int
    drift_s: int = 10
    lag_s: int = 300

    def chain_time_s(self, now_ms: int) -> int:
        """Whole seconds since genesis."""
        return max(0, now_ms // 1000 - self.t0_s)


def genesis_tip(chain_id: bytes, state: ChainState) -> Tip:
    """What the first block builds on."""
    return Tip(chain_id, 0, 0, 0, EMPTY.append(chain_id), state)


def stored_tip(rules: Rules, head: StoredFinal | None) -> Tip:
    """What the next block builds on after a start."""
    if head is None:
        return genesis_tip(rules.chain_id, genesis_state(rules.genesis))
    header = head.header
    header_hash = header.hash(rules.chain_id)
    return Tip(header_hash, header.height, header.slot, header.time_s, head.peaks, head.state)


class Ledger:
    """Finalised head plus candidates; finds models of candidates before they are on disk."""

    def __init__(self, rules: Rules, archive: Archive, head: Tip) -> None:
        self.rules = rules
        self.head = head
        self._archive = archive
        self._candidates: dict[bytes, Candidate] = {}
        self._fresh_updates: dict[bytes, bytes] = {}
        self._fresh_models: dict[bytes, bytes] = {}

    def keep_update(self, root: bytes, body: bytes) -> None:
        """An update body that is on its way to disk: lookups find it until `forget_fresh`."""
        self._fresh_updates[root] = body

    def forget_fresh(self) -> None:
        """All effects given out so far have been executed, so the archive has everything."""
        self._fresh_updates.clear()
        self._fresh_models.clear()

    def tip(self, block_hash: bytes) -> Tip | None:
        """The block with this hash, if it is the finalised head or a checked candidate."""
        if block_hash == self.head.hash:
            return self.head
        candidate = self._candidates.get(block_hash)
        return candidate.tip if candidate else None

    def candidate(self, block_hash: bytes) -> Candidate | None:
        """A checked candidate."""
        return self._candidates.get(block_hash)

    def update(self, root: bytes) -> bytes | None:
        """`Bodies.update`."""
        return self._fresh_updates.get(root) or self._archive.update(root)

    def has_update(self, root: bytes) -> bool:
        """Whether `update` would find it."""
        return root in self._fresh_updates or self._archive.has_update(root)

    def model(self, root: bytes) -> bytes | None:
        """`Bodies.model`: of a candidate, or from disk."""
        for candidate in self._candidates.values():
            if candidate.executed.model is not None and candidate.tip.state.model_root == root:
                return candidate.executed.model
        return self._fresh_models.get(root) or self._archive.model(root)

    def build(
        self, parent: Tip, records: Iterable[Record], justification: Sequence[Certificate], place: Place
    ) -> Candidate:
        """Make the block of `place` on `parent`; raises `ProtocolError` if the records do not execute."""
        body, seats = Body.of(records, justification), parent.state.rolled(parent.height + 1).seats
        history_root = parent.peaks.root()
        slot = Slot(parent.height + 1, max(parent.time_s, place.time_s), history_root)
        executed = execute(self.rules, parent.state, slot, body, self)
        header = Header(
            version=HEADER_VERSION,
            flags=0,
            proposer=place.proposer,
            validators=seats.validators.count,
            height=slot.height,
            slot=place.slot,
            time_s=slot.time_s,
            epoch=seats.epoch,
            history_root=history_root,
            body_root=body.root(),
            app_root=executed.state.app_leaves().root(),
        )
        return self._add(parent, header, body, executed)

    def stored(self, candidate: Candidate) -> StoreBlock:
        """The effect that makes a candidate durable."""
        return StoreBlock(candidate.tip.hash, candidate.parent_hash, candidate.header, candidate.body)

    def check_updates(self, parent: Tip, header: Header, body: Body) -> None:
        """What `check` says of the update heads, before one of their bodies is fetched; raises
        `ProtocolError`. So only what registered devices signed for this round can make us fetch and store."""
        if body.updates:
            slot = Slot(header.height, header.time_s, header.history_root)
            check_close(self.rules, parent.state, slot, body.updates)

    def check(self, parent: Tip, header: Header, body: Body) -> Candidate:
        """Re-execute a proposed block on its parent; raises `ProtocolError` with the first rule it breaks."""
        known = self._candidates.get(header.hash(self.rules.chain_id))
        if known is not None:
            return known
        check_succession(parent.as_parent(), header, body)
        slot = Slot(header.height, header.time_s, header.history_root)
        executed = execute(self.rules, parent.state, slot, body, self)
        if executed.state.app_leaves().root() != header.app_root:
            raise ProtocolError(Reason.INVALID_BLOCK, "re-execution gives another model or state")
        return self._add(parent, header, body, executed)

    def _add(self, parent: Tip, header: Header, body: Body, executed: Executed) -> Candidate:
        if len(self._candidates) >= CANDIDATES_MAX:
            self._drop_oldest()
        header_hash = header.hash(self.rules.chain_id)
        peaks = parent.peaks.append(header_hash)
        tip = Tip(header_hash, header.height, header.slot, header.time_s, peaks, executed.state)
        candidate = Candidate(tip, parent.hash, header, body, executed)
        self._candidates[header_hash] = candidate
        return candidate

    def _drop_oldest(self) -> None:
        oldest = min(self._candidates.values(), key=lambda candidate: candidate.tip.slot)
        del self._candidates[oldest.tip.hash]

    def install(self, tip: Tip, models: Mapping[bytes, bytes]) -> None:
        """Make a verified state the head without the blocks below it; its models are on their way to disk."""
        self.head = tip
        self._fresh_models.update(models)
        self._candidates = {key: one for key, one in self._candidates.items() if one.tip.height > tip.height}

    def _from_disk(self, block_hash: bytes) -> Candidate:
        """A candidate of the head that was dropped after it was stored."""
        data = self._archive.block(block_hash)
        if data is None:
            raise RuntimeError(f"finalising block {block_hash.hex()}, which was never stored")
        return self.check(self.head, *decode_block(data))

    def finalise(self, block_hash: bytes, certificate: Certificate | None) -> StoreFinal:
        """Make a candidate whose parent is the head the new head; candidates of other branches go."""
        candidate = self._candidates.get(block_hash) or self._from_disk(block_hash)
        if candidate.parent_hash != self.head.hash:
            raise RuntimeError("finalising a block whose parent is not the finalised head")
        before, after = self.head.state.accounts, candidate.tip.state.accounts
        changed = tuple(
            (i, account) for i, account in enumerate(after) if i >= len(before) or account is not before[i]
        )
        self.head = candidate.tip
        if candidate.executed.model is not None:
            self._fresh_models[self.head.state.model_root] = candidate.executed.model
        self._candidates = {
            key: one for key, one in self._candidates.items() if one.tip.height > self.head.height
        }
        return StoreFinal(
            candidate.header,
            block_hash,
            certificate,
            self.head.state,
            changed,
            candidate.executed.model,
            included_updates(candidate.body),
            self.head.peaks,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a block is proposed."""

    slot: int
    proposer: int
    time_s: int


def included_updates(body: Body) -> tuple[tuple[bytes, int], ...]:
    """(update root, record index) of every update in a body."""
    return tuple(
        (record.update_root, index)
        for index, record in enumerate(body.records)
        if isinstance(record, UpdateHead)
    )
