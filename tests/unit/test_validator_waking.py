"""What a validator answers to a device that wakes up."""

from __future__ import annotations

import pytest

from broker.adapters.memory_store import MemoryStore
from broker.core.rate import DEVICE_ASKS, DEVICE_WORDS, WAKE_TOKENS
from broker.core.validator import ValidatorEffect
from broker.core.waking import BODIES_KEPT_MAX, EXTENSIONS_KEPT_MAX, Wakings
from edge_client.core.waking import awoken
from edge_client.protocol.errors import Reason
from edge_client.protocol.keys import node_id, verify
from edge_client.protocol.messages import Ask
from edge_client.protocol.wake import Awake, BareHead, Fresh, Wake
from tests.builders import ChainMaker, chain_of, make_genesis
from tests.ledger_rig import tip_of
from tests.lone_validator import LoneValidator, refusals, said
from tests.unit.test_validator_answers import final_store
from tests.wake_builders import awake_of, known_of

BLOCKS = 20


@pytest.fixture(scope="module")
def chain() -> ChainMaker:
    made = chain_of(3)
    for _ in range(BLOCKS):
        made.close_round([0, 1])
    return made


@pytest.mark.parametrize("tip", [0, 1, 2, 7, 8, 15, BLOCKS])
def test_from_any_height_the_head_account_and_updates_are_shown(chain: ChainMaker, tip: int) -> None:
    updates = tuple(body.updates[0] for body in chain.bodies[1:])[-16:]
    roots = tuple(one.update_root for one in updates)
    answer = awake_of(chain, 0, Wake(0, tip, tip, fresh=False, update_roots=roots))
    known = known_of(chain, tip, 0, updates)
    found = awoken(answer, known)
    assert found is not None
    assert found.account is not None
    assert found.jump is not None
    assert found.jump.block == chain.light_block()
    assert found.jump.peaks == chain.peaks(chain.height - 1)
    assert found.account.root() == chain.state.accounts.root()
    assert [one.update_root for one in found.placed] == list(roots)
    for one, update in zip(found.placed, updates, strict=True):
        header = chain.headers[one.height - 1]
        assert one.proof.body_root_for(update) == header.body_root
        if one.ancestor is None:
            assert one.height in (tip, chain.height)
        elif one.height > tip:
            assert one.ancestor.header == header
            root = one.ancestor.root_for(chain.chain_id, found.jump.peaks)
            assert root == chain.headers[-1].history_root


def test_who_has_the_head_is_not_sent_it_again(chain: ChainMaker) -> None:
    answer = awake_of(chain, 0, Wake(0, chain.height, 1, fresh=False, update_roots=()))
    assert answer.head == chain.height
    ahead = awake_of(chain, 0, Wake(0, chain.height + 5, 1, fresh=False, update_roots=()))
    assert ahead.head == chain.height


def test_headers_at_hand_need_no_way(chain: ChainMaker) -> None:
    root = chain.bodies[5].updates[0].update_root
    bare = awake_of(chain, None, Wake(0, 10, 6, fresh=False, update_roots=(root,)))
    shown = awake_of(chain, None, Wake(0, 10, 7, fresh=False, update_roots=(root,)))
    assert bare.shown[0].at == 6
    assert not isinstance(shown.shown[0].at, int)


# --- the machine -----------------------------------------------------------------------------------------


def wake(lone: LoneValidator, fresh: bool, attempt: int = 0, height: int = 0) -> list[ValidatorEffect]:
    topic = lone.topics.up_ask(node_id(lone.devices[0].public_key))
    question = Wake(0, height, 1, fresh, ())
    return lone.receive(topic, Ask(5, attempt, question).encode())


def test_every_validator_gives_its_word_and_one_answers() -> None:
    lone = LoneValidator(make_genesis(4))
    order = lone.genesis.validators.responders(nonce=5)
    for attempt in range(4):
        word, *answer = said(wake(lone, fresh=True, attempt=attempt))
        assert isinstance(word, Fresh)
        word.verify(lone.chain_id, lone.signer.public_key, verify)
        assert (word.nonce, word.height, word.hash) == (5, 0, lone.chain_id)
        assert [type(one) for one in answer] == [Awake] * (order[attempt] == 0)


def test_nobody_signs_unasked() -> None:
    lone = LoneValidator(devices=2)
    (answer,) = said(wake(lone, fresh=False))
    assert isinstance(answer, Awake)
    assert isinstance(answer.head, BareHead)
    assert answer.height == lone.machine.head.height


def test_signatures_are_rationed_for_each_device() -> None:
    lone = LoneValidator(make_genesis(4))
    asked = [refusals(wake(lone, fresh=True)) for _ in range(DEVICE_WORDS.burst + 1)]
    assert [bool(one) for one in asked] == [False] * DEVICE_WORDS.burst + [True]
    assert asked[-1][0].reason == Reason.RATE
    assert not refusals(wake(lone, fresh=False))
    lone.now_ms += 1000 // DEVICE_WORDS.per_s
    assert not refusals(wake(lone, fresh=True))


def test_waking_up_is_a_dear_question() -> None:
    lone = LoneValidator(devices=2)
    asked = [refusals(wake(lone, fresh=False)) for _ in range(DEVICE_ASKS.burst // WAKE_TOKENS + 1)]
    assert [bool(one) for one in asked] == [False] * (len(asked) - 1) + [True]


def test_after_a_restart_the_head_can_be_shown_at_once() -> None:
    lone = LoneValidator(devices=2)
    lone.start()
    (answer,) = said(wake(lone, fresh=False))
    assert isinstance(answer, Awake)
    assert isinstance(answer.head, BareHead)


class Watched(MemoryStore):
    """Counts lookups, and lacks the nodes of the range when told."""

    def __init__(self, store: MemoryStore) -> None:
        self.__dict__.update(store.__dict__)
        self.blocks = self.reads = 0
        self.without_nodes = False

    def block(self, header_hash: bytes) -> bytes | None:
        self.blocks += 1
        return super().block(header_hash)

    def mmr_node(self, position: int) -> bytes | None:
        self.reads += 1
        return None if self.without_nodes else super().mmr_node(position)


def watched(chain: ChainMaker) -> tuple[Watched, Wakings]:
    store = Watched(final_store(chain))
    wakings = Wakings(store, chain.chain_id)
    wakings.new_head(chain.light_block())
    return store, wakings


def test_what_many_devices_ask_for_is_read_once(chain: ChainMaker) -> None:
    store, wakings = watched(chain)
    roots = tuple(head.update_root for head in chain.bodies[1].updates)
    answers = {wakings.answer(tip_of(chain), 0, Wake(0, 1, 1, False, roots + roots)) for _ in range(3)}
    (answer,) = answers
    assert answer is not None
    assert [one.name for one in answer.shown] == [root[:8] for root in roots]
    assert store.blocks == 1
    reads = store.reads
    wakings.answer(tip_of(chain), 1, Wake(0, 1, 1, False, ()))
    assert store.reads == reads


def test_blocks_and_extensions_kept_are_bounded(chain: ChainMaker) -> None:
    _, wakings = watched(chain)
    roots = tuple(body.updates[0].update_root for body in chain.bodies[1:17])
    for tip in range(chain.height):
        assert wakings.answer(tip_of(chain), 0, Wake(0, tip, 1, False, roots)) is not None
    assert len(wakings._bodies) == BODIES_KEPT_MAX
    assert len(wakings._extensions) <= EXTENSIONS_KEPT_MAX


def test_who_cannot_show_its_head_leaves_the_answer_to_others(chain: ChainMaker) -> None:
    store, wakings = watched(chain)
    question = Wake(0, 1, 1, False, ())
    wakings.new_head(chain.light_block(chain.height - 1))
    assert wakings.answer(tip_of(chain), 0, question) is None
    wakings.new_head(chain.light_block())
    store.without_nodes = True
    assert wakings.answer(tip_of(chain), 0, question) is None
    store.without_nodes = False
    assert wakings.answer(tip_of(chain), 0, question) is not None
