"""Whatever bytes come on whatever topic: the agent answers with values, and believes nothing."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from edge_client.core.events import DropObject, Halt, SaveAccount, SaveChain, SaveObject, SettleUpdate
from edge_client.protocol.machine import Received
from edge_client.protocol.messages import encode_say
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
