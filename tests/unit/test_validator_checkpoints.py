"""[PRN-3], [PRN-4]: a validator that has nothing gets to the head from the checkpoints of three peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from broker.adapters.block_store import BlockStore
from broker.adapters.memory_store import MemoryStore
from broker.core.accuser import Accuser
from broker.core.checkpoint_sync import PATIENCE_MS
from broker.core.consensus.events import Timing
from broker.core.effects import (
    AppendLog,
    InstallCheckpoint,
    StoreBlock,
    StoreFinal,
    StoreHeaders,
    StoreOldBlock,
    StoreUpdateBody,
)
from broker.core.identity import Identity
from broker.core.ledger import Clock
from broker.core.peer_desk import PeerDesk
from broker.core.pool import Pool
from broker.core.validator import Validator, ValidatorSetup
from edge_client.protocol.checkpoint import Checkpoint
from edge_client.protocol.chunks import ObjectKind, Piece
from edge_client.protocol.errors import Reason
from edge_client.protocol.machine import LinkUp, Note, Publish, Received, Refused, Woke
from edge_client.protocol.messages import encode_validator_say
from edge_client.protocol.topics import Topics
from tests.builders import ChainMaker, chain_of, make_body, make_update
from tests.ledger_rig import ledger_of, seating_of
from tests.lone_validator import make_store
from tests.unit.test_broker_block_store import final, open_store

WINDOW, ROUNDS, DEVICES, JOINER = 4, 14, 3, 3
STEPS_MAX = 3_000
PERSISTS = (
    StoreUpdateBody,
    StoreBlock,
    StoreFinal,
    StoreHeaders,
    InstallCheckpoint,
    StoreOldBlock,
    AppendLog,
)


class CrashError(Exception):
    """The process is gone."""


@cache
def made_chain() -> ChainMaker:
    """Three windows of rounds."""
    made = chain_of(DEVICES, staleness_max=1, body_window=WINDOW)
    for number in range(ROUNDS):
        pair = (number % DEVICES, (number + 1) % DEVICES)
        updates = [make_update(made, one, make_body(made.genesis.manifest, number * 9 + one)) for one in pair]
        made.add([one.head for one in updates])
    return made


@cache
def full_store(chain: ChainMaker) -> MemoryStore:
    """What a validator has that was always there; only read."""
    store = make_store(chain.genesis)
    for height in range(1, chain.height + 1):
        header, body = chain.headers[height - 1], chain.bodies[height - 1]
        for head in body.updates:
            store.store_update_body(StoreUpdateBody(head.update_root, chain.update_bodies[head.update_root]))
        store.store_block(StoreBlock(header.hash(chain.chain_id), bytes(32), header, body))
        store.store_final(final(chain, height))
    return store


class Joining:
    """Validator 3 and the desks of the other three, without a network."""

    def __init__(self, store: Any = None, dies_at: int = 0) -> None:
        self.chain = made_chain()
        self.topics = Topics.of(self.chain.chain_id)
        self.store = store or make_store(self.chain.genesis)
        self.peers_store = full_store(self.chain)
        self.identities = [Identity.of(self.chain.rules, one) for one in self.chain.signers]
        self.desks = [self._desk(i) for i in range(3)]
        self.now_ms = (self.chain.genesis.t0_s + self.chain.time_s + 20) * 1000
        self.dies_at, self.persist_count, self.starts = dies_at, 0, 0
        self.effects: list[Any] = []
        self.mail: list[Received] = []
        self.start()

    def _desk(self, index: int) -> PeerDesk:
        identity, store = self.identities[index], self.peers_store
        ledger = ledger_of(self.chain, store)
        accuser = Accuser(identity, ledger, Pool(self.chain.rules), lambda: 0)
        return PeerDesk(identity, seating_of(ledger, store, self.chain.signers[index]), store, accuser)

    def start(self) -> None:
        """A new process on what is stored; it hears of the chain's head at once."""
        self.starts += 1
        clock = Clock(self.chain.genesis.t0_s)
        setup = ValidatorSetup(self.identities[JOINER], clock, Timing(), bytes([self.starts]))
        self.machine = Validator(setup, self.store, self.store.load())
        self.mail = []
        self.give(LinkUp("memory"))
        self.tell_head()

    def tell_head(self) -> None:
        """The last block's finality certificate, as validator 0 says it."""
        said = encode_validator_say(self.chain.certificate(self.chain.height))
        self.mail.append(Received(self.topics.validator_say(self.identities[0].name), said))

    def give(self, event: Any) -> None:
        """One event; its effects are executed in order."""
        try:
            for effect in self.machine.handle(event, self.now_ms):
                self.execute(effect)
        except CrashError:
            self.start()

    def execute(self, effect: Any) -> None:
        """Write, or carry a question to the desks."""
        if isinstance(effect, PERSISTS):
            self.persist_count += 1
            if self.persist_count == self.dies_at:
                raise CrashError
            self.store.executors()[type(effect)](effect)
            self.effects.append(effect)
            return
        self.effects.append(effect)
        own = self.identities[JOINER].name
        if isinstance(effect, Publish) and effect.topic == self.topics.validator_ask(own):
            for desk in self.desks:
                answers = desk.ask(own, effect.payload, self.now_ms)
                self.mail += [Received(one.topic, one.payload) for one in answers if isinstance(one, Publish)]

    def run(self, until: Callable[[], bool]) -> bool:
        """Deliver mail, or let time pass up to the next deadline."""
        for _ in range(STEPS_MAX):
            if until():
                return True
            if self.mail:
                self.give(self.mail.pop(0))
                continue
            due_ms = self.machine.deadline()
            if due_ms is None:
                return False
            self.now_ms = max(self.now_ms, due_ms)
            self.give(Woke())
        return until()

    def is_there(self) -> bool:
        """At the head, with all blocks."""
        return self.machine.head.height == self.chain.height and self.store.lacking() is None

    def of(self, kind: type[Any]) -> list[Any]:
        """Effects of one kind, in order."""
        return [one for one in self.effects if isinstance(one, kind)]


def check_same(joining: Joining) -> None:
    """The joiner's disk and head are those of the chain."""
    chain, store = joining.chain, joining.store
    stored = store.load().head
    assert joining.machine.head.hash == chain.headers[-1].hash(chain.chain_id)
    assert stored is not None
    assert stored.peaks == chain.peaks()
    assert stored.state.state_leaves() == chain.state.state_leaves()
    for height, header in enumerate(chain.headers, start=1):
        assert store.header(height) == header
        assert store.block(header.hash(chain.chain_id)) is not None
        for place, record in enumerate(chain.bodies[height - 1].records):
            if record in chain.bodies[height - 1].updates:
                assert store.inclusion(record.update_root) == (height, place)
    assert all(store.model(base.model_root) is not None for base in stored.state.bases)


def test_headers_are_stored_then_the_state_then_blocks_above_it_are_executed() -> None:
    joining = Joining()
    assert joining.run(joining.is_there)
    check_same(joining)
    (installed,) = joining.of(InstallCheckpoint)
    newest = joining.peers_store.checkpoint()
    assert newest is not None
    assert installed.header.height == newest.height == 14
    executed = [one.header.height for one in joining.of(StoreFinal)]
    assert executed == list(range(newest.height + 1, joining.chain.height + 1))
    kinds = [type(one) for one in joining.effects if isinstance(one, PERSISTS)]
    assert kinds.index(StoreHeaders) < kinds.index(InstallCheckpoint)
    assert [one.header.height for one in joining.of(StoreOldBlock)] == list(range(14, 0, -1))
    assert not joining.of(Refused)


def test_it_does_not_wait_for_anything_but_answers() -> None:
    joining = Joining()
    began_ms = joining.now_ms
    assert joining.run(lambda: joining.machine.head.height == joining.chain.height)
    assert joining.now_ms == began_ms


def test_it_signs_nothing_below_what_it_took() -> None:
    joining = Joining()
    assert joining.run(joining.is_there)
    slot = joining.of(InstallCheckpoint)[0].header.slot
    assert all(one.slot > slot for one in joining.of(AppendLog))


def test_killed_before_any_of_its_writes_it_goes_on_where_it_was() -> None:
    whole = Joining()
    assert whole.run(whole.is_there)
    assert whole.persist_count > 15
    for dies_at in range(1, whole.persist_count + 1):
        joining = Joining(dies_at=dies_at)
        assert joining.run(joining.is_there), dies_at
        assert joining.starts == 2
        check_same(joining)


def test_on_a_real_disk_it_ends_where_the_others_are(tmp_path: Path) -> None:
    disk = open_store(tmp_path, made_chain())
    disk.store_model(made_chain().genesis.model_root, made_chain().models[made_chain().genesis.model_root])
    joining = Joining(disk, dies_at=9)
    assert joining.run(joining.is_there)
    check_same(joining)
    assert disk.retention.checkpoint_heights() == [14]
    disk.close()
    again: BlockStore = open_store(tmp_path, made_chain())
    again.remove_leftovers()
    stored = again.load().head
    assert stored is not None
    assert stored.header == made_chain().headers[-1]
    assert all(again.model(base.model_root) is not None for base in stored.state.bases)


# --- lies ------------------------------------------------------------------------------------------------


def first_offer_is(joining: Joining, monkeypatch: pytest.MonkeyPatch, offer: Checkpoint) -> None:
    """Whoever is asked first offers this."""
    truth = joining.peers_store.checkpoint()
    offers = [offer]
    monkeypatch.setattr(joining.peers_store, "checkpoint", lambda: offers.pop() if offers else truth)


@pytest.mark.parametrize("leaf", ["model_root", "state_root", "validators_root"])
def test_leaves_that_are_not_the_headers_are_refused_and_another_is_asked(
    monkeypatch: pytest.MonkeyPatch, leaf: str
) -> None:
    joining = Joining()
    app = replace(made_chain().states[12].app_leaves(), **{leaf: bytes(32)})
    first_offer_is(joining, monkeypatch, Checkpoint(12, app))
    assert joining.run(joining.is_there)
    check_same(joining)
    assert [one.reason for one in joining.of(Refused)] == [Reason.WRONG_HASH]
    assert joining.of(InstallCheckpoint)[0].header.height == 14


def test_a_height_that_does_not_exist_costs_patience_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    joining = Joining()
    first_offer_is(joining, monkeypatch, Checkpoint(10**9, made_chain().states[12].app_leaves()))
    began_ms = joining.now_ms
    assert joining.run(joining.is_there)
    check_same(joining)
    assert joining.now_ms - began_ms < 6 * PATIENCE_MS


def test_peers_without_a_newer_checkpoint_are_asked_again_and_executing_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They have none yet; but all bodies: nothing was pruned."""
    joining = Joining()
    everything = joining.chain.objects()

    def piece(kind: ObjectKind, root: bytes, index: int) -> Piece | None:
        data = everything.get((kind, root))
        return None if data is None else Piece(1, data) if not index else None

    monkeypatch.setattr(joining.peers_store, "checkpoint", lambda: None)
    monkeypatch.setattr(joining.peers_store, "piece", piece)
    assert joining.run(joining.is_there)
    check_same(joining)
    assert not joining.of(InstallCheckpoint)


def test_bodies_nobody_sends_lead_to_a_checkpoint_also_inside_the_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The peers' window is smaller than it was at the joiner's head."""
    joining = Joining()
    monkeypatch.setattr("broker.core.peers.Peers._is_pruned", lambda *_: False)
    assert joining.run(joining.is_there)
    check_same(joining)
    assert joining.of(InstallCheckpoint)


def test_a_checkpoint_that_nobody_asked_for_is_not_heard() -> None:
    joining = Joining()
    assert joining.run(joining.is_there)
    before = len(joining.effects)
    offer = encode_validator_say(Checkpoint(99, made_chain().states[12].app_leaves()))
    joining.give(Received(joining.topics.validator_say(joining.identities[0].name), offer))
    assert [one for one in joining.effects[before:] if not isinstance(one, Note)] == []
