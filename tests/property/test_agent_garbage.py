"""Whatever bytes come on whatever topic: the agent answers with values, and believes nothing."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_client.core.events import DropObject, Halt, SaveAccount, SaveChain, SaveObject, SettleUpdate
from edge_client.protocol.light import LightBlock
from edge_client.protocol.machine import Received, Woke
from edge_client.protocol.messages import encode_say
from edge_client.protocol.votes import Finality, Quorum, finalize
from tests.builders import ChainMaker
from tests.device_world import DeviceWorld
from tests.wake_builders import told


@cache
def chain() -> ChainMaker:
    """Nine blocks; the device under test is at height 1."""
    made = ChainMaker(devices=2)
    for _ in range(4):
        made.close_round()
    return made


@cache
def prepared() -> DeviceWorld:
    """A device that is sending the update of round 1 when everything else comes."""
    device = DeviceWorld(ChainMaker(devices=2)).join()
    device.finish_training()
    device.chain = chain()
    return device


def world() -> DeviceWorld:
    """A fresh copy for each example; nobody changes the chain."""
    return deepcopy(prepared(), {id(chain()): chain()})


BELIEVING = (SaveChain, SaveAccount, SaveObject, SettleUpdate, DropObject, Halt)


def topics() -> st.SearchStrategy[str]:
    device = prepared()
    builder, name = device.identity.topics, device.identity.device
    validators = [device.validator(i) for i in range(4)]
    roots = [device.chain.chain_id.hex(), "ab" * 32, "", "x"]
    words = ["", "down", "chain", "head", "say", "chunk", name, *validators, *roots, "0", "-1", "5000"]
    fixed = [builder.chain_head(one) for one in validators]
    fixed += [builder.down_say(name, one) for one in validators]
    fixed += [builder.down_chunk(name, validators[0], root, i) for root in roots for i in (-1, 0, 5000)]
    made_up = st.lists(st.sampled_from(words), max_size=7).map(
        lambda levels: "/".join([builder.base, *levels])
    )
    return st.sampled_from(fixed) | made_up | st.text(max_size=20)


@given(st.lists(st.tuples(topics(), st.binary(max_size=200)), max_size=5))
def test_random_bytes(messages: list[tuple[str, bytes]]) -> None:
    device = world()
    for topic, payload in messages:
        effects = device.tell(Received(topic, payload))
        assert not any(isinstance(one, BELIEVING) for one in effects)


@given(st.data())
def test_one_changed_byte_of_something_true(data: st.DataObject) -> None:
    """A light block, a run or a claim with one byte changed is never believed."""
    device = world()
    (root,) = device.disk.updates
    height = data.draw(st.integers(2, 5))
    truths = [
        (device.identity.topics.chain_head(device.followed), chain().light_block(2).encode()),
        (device.identity.topics.chain_head(device.followed), chain().light_block(height).encode()),
        (device.say_topic(), encode_say(chain().header_run(2, height))),
        (device.say_topic(), encode_say(told(chain(), device.account, [root], height=1))),
    ]
    topic, payload = data.draw(st.sampled_from(truths))
    at = data.draw(st.integers(0, len(payload) - 1))
    flipped = bytes([payload[at] ^ data.draw(st.integers(1, 255))])
    effects = device.tell(Received(topic, payload[:at] + flipped + payload[at + 1 :]))
    assert not any(isinstance(one, BELIEVING) for one in effects)
    assert device.agent.participant is not None
    assert device.agent.participant.head.height == 1


EXTREMES = st.sampled_from((0, 1, 2, 1 << 31, (1 << 32) - 1))
SEVERAL_WAKES = 5


def signed(block: LightBlock) -> LightBlock:
    """The block with the roots of what is in it now, and a quorum's real signatures."""
    state = replace(block.state, learning_root=block.learning.root())
    app = replace(block.app, state_root=state.root())
    header = replace(block.header, app_root=app.root())
    message = finalize(header, header.hash(chain().chain_id)).signing_bytes(chain().chain_id)
    quorum = Quorum.of({i: chain().signers[i].sign(message) for i in range(3)})
    return LightBlock(header, Finality(header.slot, quorum), app, state, block.learning)


@settings(max_examples=20)
@given(
    height=st.sampled_from((2, 2, 5)),
    header=st.fixed_dictionaries({}, optional={"height": EXTREMES, "time_s": EXTREMES, "epoch": EXTREMES}),
    numbers=st.dictionaries(st.sampled_from(("round", "opened_height", "opened_at_s", "updates")), EXTREMES),
    theta=st.sampled_from((0, 1, (1 << 64) - 1)),
)
def test_whatever_a_lying_quorum_signs_the_agent_lives_on(
    height: int, header: dict[str, int], numbers: dict[str, int], theta: int
) -> None:
    """It believes them, as it must, and still runs, also as another process on what was saved."""
    device, true = world(), chain().light_block(height)
    learning = replace(true.learning, theta=theta, **numbers)  # type: ignore[arg-type]
    other = replace(true.header, **header)  # type: ignore[arg-type]
    lie = signed(replace(true, header=other, learning=learning))
    device.tell(Received(device.identity.topics.chain_head(device.followed), lie.encode()))
    for _ in range(SEVERAL_WAKES):
        due_ms = device.agent.deadline()
        device.now_ms = device.now_ms if due_ms is None else max(device.now_ms, due_ms)
        device.tell(Woke())
    device.restart()
    device.tell(Woke())
    if height == 2 and not header:
        assert device.agent.participant is not None
        assert device.agent.participant.head.learning == learning


@cache
def truths() -> tuple[Received, ...]:
    """Every head, and some runs between."""
    device = prepared()
    head = device.identity.topics.chain_head(device.followed)
    heads = [Received(head, chain().light_block(height).encode()) for height in range(1, 6)]
    runs = [chain().header_run(*run) for run in ((2, 3), (2, 5), (4, 5), (3, 5))]
    return (*heads, *(Received(device.say_topic(), encode_say(run)) for run in runs))


@given(st.lists(st.integers(0, 8), max_size=20))
def test_the_truth_in_any_order_and_any_number_of_copies(order: list[int]) -> None:
    """Losses, duplicates and reordering by the MQTT server lead to the same head."""
    device = world()
    for i in [*order, *range(9), *range(9)]:
        device.tell(truths()[i])
    assert device.agent.participant is not None
    assert device.agent.participant.head.height == 5
    assert len(device.disk.headers) == 5
