"""The disk of a validator gives back what its twin in memory does, whatever was written before."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.adapters.block_store import BlockStore
from broker.adapters.memory_store import MemoryStore
from broker.core.effects import (
    AppendLog,
    InstallCheckpoint,
    StoreBlock,
    Stored,
    StoreFinal,
    StoreHeaders,
    StoreOldBlock,
    StoreUpdate,
    StoreUpdateBody,
    ValidatorPersist,
)
from broker.core.ledger import included_updates
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.mmr import prove
from edge_client.protocol.mmr_nodes import node_count, prove_from
from tests.builders import GRAPH_BYTES, ChainMaker, chain_of, make_update
from tests.lone_validator import make_store

ROUNDS, DEVICES = 8, 3


@cache
def made_chain() -> tuple[ChainMaker, list[StoreUpdate]]:
    """Rounds that two of three devices close; updates of all three. Bodies stay for three blocks."""
    chain = chain_of(DEVICES, staleness_max=1, body_window=3)
    offers = []
    for number in range(ROUNDS):
        made = [make_update(chain, account) for account in range(DEVICES)]
        offers += [StoreUpdate(one.offer, one.body) for one in made]
        chain.close_round([number % 3, (number + 1) % 3])
    return chain, offers


def final(height: int, certified: bool) -> StoreFinal:
    chain, _ = made_chain()
    header, state = chain.headers[height - 1], chain.states[height]
    before = chain.states[height - 1].accounts
    changed = tuple((i, one) for i, one in enumerate(state.accounts) if i >= len(before) or one != before[i])
    return StoreFinal(
        header,
        header.hash(chain.chain_id),
        chain.certificate(height) if certified else None,
        state,
        changed,
        chain.outcomes[height - 1].model,
        included_updates(chain.bodies[height - 1]),
        chain.peaks(height),
    )


def headers(first: int, last: int) -> StoreHeaders:
    chain, _ = made_chain()
    run = tuple(chain.headers[first - 1 : last])
    return StoreHeaders(run, tuple(one.hash(chain.chain_id) for one in run), chain.certificate(last))


def install(height: int, certified: bool) -> InstallCheckpoint:
    chain, _ = made_chain()
    header, state = chain.headers[height - 1], chain.states[height]
    return InstallCheckpoint(
        header,
        header.hash(chain.chain_id),
        chain.certificate(height) if certified else None,
        state,
        tuple((base.model_root, chain.models[base.model_root]) for base in state.bases),
        chain.peaks(height),
    )


def old_block(height: int) -> StoreOldBlock:
    chain, _ = made_chain()
    header, body = chain.headers[height - 1], chain.bodies[height - 1]
    return StoreOldBlock(header, header.hash(chain.chain_id), body, included_updates(body))


def comparable(stored: Stored) -> tuple[object, ...]:
    """Offers by root: in which order they are found again means nothing."""
    offers = sorted(stored.offers, key=lambda one: one.head.update_root)
    head = stored.head
    if head is None:
        return (None, offers, stored.log)
    state = head.state
    roots = (list(state.accounts), state.accounts.root(), state.params, state.learning, state.bases)
    return (head.header, head.certificate, head.peaks, roots, offers, stored.log)


def effects_of(number: int, store: MemoryStore) -> list[ValidatorPersist]:
    """What may be written next."""
    chain, offers = made_chain()
    head, headers_to, lacking = store.load().head, store.headers_to(), store.lacking()
    height = head.header.height if head else 0
    oldest = chain.states[height].bases[0].round
    offer = offers[number % len(offers)]
    fitting = [offer] if offer.offer.head.round >= oldest else []
    log = AppendLog(number % 2, height + number % 3, digest(Tag.CHUNK, bytes([number % 251])))
    body = StoreUpdateBody(offer.offer.head.update_root, offer.body)
    effects: list[ValidatorPersist] = [log, body, *fitting]
    if height < chain.height:
        header = chain.headers[height]
        effects.append(StoreBlock(header.hash(chain.chain_id), bytes(32), header, chain.bodies[height]))
        effects += [final(height + 1, certified=number % 3 > 0)] * 3
    if headers_to < chain.height:
        effects.append(headers(headers_to + 1, min(headers_to + 1 + number % 3, chain.height)))
    if headers_to > height:
        effects.append(install(height + 1 + number % (headers_to - height), certified=number % 3 > 0))
    if lacking is not None:
        effects += [old_block(lacking)] * 2
    return effects


def same_lookups(disk: BlockStore, memory: MemoryStore) -> None:
    chain, offers = made_chain()
    for height in range(1, chain.height + 2):
        assert disk.header(height) == memory.header(height)
        assert disk.certificate_from(height) == memory.certificate_from(height)
    for position in range(node_count(chain.height + 1) + 1):
        assert disk.mmr_node(position) == memory.mmr_node(position)
    for header in chain.headers:
        block_hash = header.hash(chain.chain_id)
        assert disk.block(block_hash) == memory.block(block_hash)
    assert disk.headers_to() == memory.headers_to()
    assert disk.lacking() == memory.lacking()
    assert disk.checkpoint() == memory.checkpoint()
    for state in chain.states:
        root = state.state_leaves().root()
        assert disk.piece(ObjectKind.STATE, root, 0) == memory.piece(ObjectKind.STATE, root, 0)
    for one in offers:
        root = one.offer.head.update_root
        assert disk.inclusion(root) == memory.inclusion(root)
        assert disk.update(root) == memory.update(root)
        assert disk.has_update(root) == memory.has_update(root)
    for outcome in chain.outcomes:
        root = outcome.state.model_root
        assert disk.piece(ObjectKind.MODEL, root, 0) == memory.piece(ObjectKind.MODEL, root, 0)
    stored = memory.load()
    for waiting in stored.offers:
        assert disk.update(waiting.head.update_root) == memory.update(waiting.head.update_root)
        assert disk.has_update(waiting.head.update_root)
    if stored.head is not None:
        height = stored.head.header.height
        assert prove_from(height + 1, height, disk.mmr_node) == prove(chain.leaves(height), height)
        root = stored.head.state.params.hash()
        assert disk.piece(ObjectKind.PARAMS, root, 0) == memory.piece(ObjectKind.PARAMS, root, 0)


def open_store(folder: Path) -> BlockStore:
    chain, _ = made_chain()
    genesis = chain.genesis
    fixed = {chain.chain_id: genesis.encode(), genesis.graph_root: GRAPH_BYTES}
    store = BlockStore(folder, genesis, fixed)
    store.store_model(genesis.model_root, chain.models[genesis.model_root])
    return store


@settings(max_examples=25)
@given(numbers=st.lists(st.integers(0, 10**6), max_size=40), reopen_at=st.integers(0, 40))
def test_disk_and_memory_agree(numbers: list[int], reopen_at: int) -> None:
    chain, _ = made_chain()
    memory = make_store(chain.genesis)
    with TemporaryDirectory() as name:
        disk = open_store(Path(name))
        for step, number in enumerate(numbers):
            choices = effects_of(number, memory)
            effect = choices[number // 7 % len(choices)]
            for store in (disk, memory):
                store.executors()[type(effect)](effect)
            if step == reopen_at:
                disk.close()
                disk = open_store(Path(name))
                disk.remove_leftovers()
        assert comparable(disk.load()) == comparable(memory.load())
        same_lookups(disk, memory)
        disk.close()
