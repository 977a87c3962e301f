"""An agent that is not answered, or has no server for long, in virtual time."""

from __future__ import annotations

import pytest

from edge_client.core.agent import Phase
from edge_client.core.events import Fate
from edge_client.core.silence import DROPPED, NOBODY, UNANSWERED_MS, Silence
from edge_client.protocol.machine import LinkUp, Note, Publish
from tests.builders import ChainMaker
from tests.device_world import DeviceWorld

DAY_MS = 86_400_000


@pytest.fixture
def world() -> DeviceWorld:
    return DeviceWorld(ChainMaker())


def notes(world: DeviceWorld, event: str) -> list[Note]:
    return [one for one in world.effects if isinstance(one, Note) and one.event == event]


def test_the_bound_is_exact_and_said_once() -> None:
    silence = Silence()
    assert silence.watch(True, 3, 1_000) == []
    assert silence.watch(True, 3, 1_000 + UNANSWERED_MS - 1) == []
    assert silence.watch(True, 3, 1_000 + UNANSWERED_MS) == [Note("unanswered", {"why": NOBODY})]
    assert silence.watch(True, 3, 1_000 + 2 * UNANSWERED_MS) == []


def test_who_asks_nothing_is_not_ignored() -> None:
    silence = Silence()
    silence.watch(True, 0, 0)
    silence.watch(False, 0, 1)
    assert silence.watch(True, 0, UNANSWERED_MS) == []


def test_no_validator_runs(world: DeviceWorld) -> None:
    world.link_up()
    world.pass_ms(UNANSWERED_MS * 2)
    assert [note.fields["why"] for note in notes(world, "unanswered")] == [NOBODY]
    assert world.phase() == Phase.JOINING
    assert "edge-client doctor" in world.agent.silence.why
    world.answer()
    assert world.agent.silence.why == ""
    assert len(notes(world, "answered")) == 1


def test_blocks_come_but_no_answers(world: DeviceWorld) -> None:
    """What an access list that stops publishes looks like on MQTT 3.1.1."""
    world.join()
    world.finish_training()
    world.tell(LinkUp("test"))
    world.asks.clear()
    world.chain.add([], time_s=100)
    world.pass_ms(UNANSWERED_MS // 2)
    world.publish_head()
    world.pass_ms(UNANSWERED_MS)
    assert [note.fields["why"] for note in notes(world, "unanswered")] == [DROPPED]


def test_a_server_that_is_away_for_a_day_costs_nothing(world: DeviceWorld) -> None:
    """Work goes on without a link, is kept, says nothing, and is sent when the server is back."""
    world.join()
    world.link_lost()
    root = world.finish_training()
    before = len(world.effects)
    world.pass_ms(DAY_MS)
    assert not [one for one in world.effects[before:] if isinstance(one, Publish)]
    assert world.agent.deadline() is None
    assert root in world.disk.updates
    assert not world.agent.silence.why
    world.link_up()
    world.answer()
    assert [offer.head.update_root for offer in world.offers] == [root]
    world.acknowledge()
    world.chain.add([world.offers[0].head], time_s=100)
    world.publish_head()
    world.answer()
    assert world.disk.fates[root].fate == Fate.INCLUDED
    assert world.orders[-1].round == 2
