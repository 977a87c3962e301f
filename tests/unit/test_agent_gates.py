"""The agent and its gates: nothing starts while one is closed, running work pauses and goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edge_client.core.agent import Phase
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.prediction import Cost
from edge_client.core.conditions.readings import Conditions
from edge_client.core.events import (
    ConditionsRead,
    DropObject,
    PauseTraining,
    SaveCheckpoint,
    SaveGivenUp,
    SaveUpdate,
    StartTraining,
    Stopping,
    TrainingFailed,
    TrainingPaused,
)
from edge_client.core.rounds import RETRY_FAILED_MS
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.machine import Note, Woke
from edge_client.protocol.messages import GetChunks
from edge_client.protocol.update import UNKNOWN_U32
from tests.builders import ChainMaker, make_genesis, make_params
from tests.device_world import DeviceWorld
from tests.unit.test_conditions_gates import FINE

HOT = replace(FINE, temperature_c=90.0)
OFTEN = Limits(ignore=("rounds",))
"""For tests of rounds that follow each other at once."""


def world(conditions: Conditions = FINE, limits: Limits = OFTEN, **params: int) -> DeviceWorld:
    made = DeviceWorld(ChainMaker(make_genesis(params=make_params(**params)), devices=3), 2, limits=limits)
    made.tell(ConditionsRead(conditions))
    made.link_up()
    made.answer()
    made.publish_head()
    made.answer()
    made.tell(ConditionsRead(conditions))
    made.answer()
    return made


def of(world: DeviceWorld, kind: type) -> list[Any]:
    return [one for one in world.effects if isinstance(one, kind)]


def paused(world: DeviceWorld, steps: int = 3) -> None:
    """The trainer lets go."""
    world.disk.objects[b"c" * 32] = b"checkpoint"
    world.tell(TrainingPaused(world.orders[-1].round, b"c" * 32, steps))


def why(world: DeviceWorld) -> str:
    assert world.agent.participant is not None
    return world.agent.participant.why


def test_nothing_starts_before_every_gate_is_open() -> None:
    made = world(HOT)
    assert (made.orders, made.phase(), why(made)) == ([], Phase.WAITING, "closed gate: temperature")
    made.tell(ConditionsRead(replace(FINE, temperature_c=71.0)))
    assert made.orders == [], "hot and not yet five degrees cooler"
    assert not any(isinstance(ask.question, GetChunks) for ask in made.asks), "nor is the model fetched"
    made.tell(ConditionsRead(FINE))
    made.answer()
    assert [one.round for one in made.orders] == [1]


def test_a_model_that_is_being_fetched_waits_for_the_gates_and_what_leads_on_does_not() -> None:
    made = world(HOT)
    made.asks.clear()
    made.tell(ConditionsRead(FINE))
    models = [one for one in made.asks if isinstance(one.question, GetChunks)]
    assert [one.question.kind for one in models if isinstance(one.question, GetChunks)] == [ObjectKind.MODEL]
    made.tell(ConditionsRead(HOT))
    made.asks.clear()
    for _ in range(20):
        made.now_ms += 30_000
        made.tell(ConditionsRead(HOT))
        made.tell(Woke())
    assert not any(isinstance(ask.question, GetChunks) for ask in made.asks)
    made.tell(ConditionsRead(FINE))
    made.answer()
    assert [one.round for one in made.orders] == [1]


def test_the_log_says_which_gates_hold_it_back_once_for_each_change() -> None:
    def said(made: DeviceWorld) -> list[Any]:
        return [one.fields["closed"] for one in of(made, Note) if one.event == "gates"]

    made = world(HOT)
    assert said(made) == ["temperature"], "read twice, said once"
    made.tell(ConditionsRead(FINE))
    assert said(made) == ["temperature", "none"]
    assert said(world(FINE)) == [], "all open from the first look on: nothing to say"


def test_a_look_before_the_chain_is_known_counts() -> None:
    made = DeviceWorld(ChainMaker(devices=3), 2, limits=Limits())
    made.tell(ConditionsRead(FINE))
    made.join()
    assert made.orders


def test_readings_that_are_too_old_open_nothing() -> None:
    made = world(HOT)
    made.now_ms += 600_000
    made.tell(ConditionsRead(FINE))
    made.answer()
    assert made.orders
    late = DeviceWorld(ChainMaker(devices=3), 2, limits=Limits())
    late.tell(ConditionsRead(FINE))
    late.now_ms += 600_000
    late.link_up()
    late.answer()
    assert late.orders == []


def test_running_work_pauses_with_the_event_that_closes_a_gate_and_goes_on() -> None:
    made = world()
    (order,) = made.orders
    assert made.phase() == Phase.TRAINING
    made.tell(ConditionsRead(HOT))
    made.tell(ConditionsRead(HOT))
    assert [one.round for one in of(made, PauseTraining)] == [1], "asked once"
    made.tell(ConditionsRead(FINE))
    assert len(made.orders) == 1, "not before the trainer has let go"
    made.tell(ConditionsRead(HOT))
    paused(made)
    assert made.phase() == Phase.PAUSED
    assert made.disk.interrupted is not None
    made.tell(ConditionsRead(FINE))
    assert made.orders == [order, order]
    made.finish_training()
    assert made.disk.interrupted is None
    assert made.effects.index(of(made, SaveUpdate)[0]) < made.effects.index(of(made, SaveCheckpoint)[-1])


def test_interrupted_work_goes_on_in_a_new_process() -> None:
    made = world()
    order = made.orders[-1]
    made.tell(Stopping())
    paused(made)
    made.restart()
    made.tell(ConditionsRead(FINE))
    made.link_up()
    made.publish_head()
    made.answer()
    assert made.orders == [order, order], "with the same seed, so to the same result"


def test_work_that_ends_while_it_should_pause_counts() -> None:
    made = world()
    made.tell(ConditionsRead(HOT))
    root = made.finish_training()
    assert root in made.disk.updates
    assert made.disk.interrupted is None


def test_a_pause_that_nobody_waits_for_leaves_nothing() -> None:
    made = world()
    made.tell(ConditionsRead(HOT))
    made.tell(TrainingFailed(1, "no data"))
    paused(made)
    assert made.disk.interrupted is None
    assert DropObject(b"c" * 32) in made.effects


def test_interrupted_work_that_cannot_count_any_more_is_forgotten() -> None:
    made = world(staleness_max=1)
    made.tell(ConditionsRead(HOT))
    paused(made)
    for i in range(2):
        made.chain.close_round([0, 1], time_s=100 + i)
        made.publish_head()
    made.answer()
    assert made.disk.interrupted is None
    made.tell(ConditionsRead(FINE))
    made.answer()
    assert [one.round for one in made.orders] == [1, 3]


def test_interrupted_work_of_a_process_that_slept_too_long_is_forgotten() -> None:
    made = world(staleness_max=1)
    made.tell(ConditionsRead(HOT))
    paused(made)
    for i in range(2):
        made.chain.close_round([0, 1], time_s=100 + i)
    made.restart()
    made.tell(ConditionsRead(FINE))
    made.link_up()
    made.publish_head()
    made.answer()
    made.tell(ConditionsRead(FINE))
    assert [one.round for one in made.orders] == [1, 3]
    assert made.disk.interrupted is None


def test_what_a_round_did_cost_is_signed_and_limits_the_next_one() -> None:
    made = world()
    assert made.orders[0].steps_max is None, "nothing is known yet"
    root = made.finish_training(cost=Cost(10, 600_000, 5_000, 1_234, 56_789))
    head = made.disk.updates[root].head
    assert (head.energy_mj, head.up_bytes, head.down_bytes) == (5_000, 1_234, 56_789)
    head.verify(made.chain.chain_id, made.signer.public_key, made.identity.verify)
    made.acknowledge()
    made.give_receipts(root, [0, 1])
    made.chain.add([made.offers[-1].head], time_s=100)
    made.tell(ConditionsRead(FINE))
    made.publish_head()
    made.answer()
    session_steps = 30 * 60_000 // 60_000
    round_steps = made.chain.genesis.params.round_s * 1000 // 60_000
    assert made.orders[-1].steps_max == min(session_steps, round_steps)


def test_unmeasured_energy_is_unknown() -> None:
    made = world()
    root = made.finish_training(cost=Cost(10, 600, None, 1 << 40, 0))
    head = made.disk.updates[root].head
    assert (head.energy_mj, head.up_bytes, head.down_bytes) == (UNKNOWN_U32, UNKNOWN_U32 - 1, 0)
    assert len(of(made, StartTraining)) == 1


def test_the_energy_of_the_radio_is_signed_with_that_of_training() -> None:
    made = world()
    root = made.finish_training(cost=Cost(10, 600, 5_000, 1_234, 56_789, radio_mj=12_600))
    assert made.disk.updates[root].head.energy_mj == 17_600


def test_without_a_meter_a_step_takes_what_it_took_when_there_was_one() -> None:
    made = world()
    first = made.finish_training(cost=Cost(10, 600, 5_000, 1_000, 2_000, radio_mj=100))
    made.acknowledge()
    made.give_receipts(first, [0, 1])
    made.chain.add([made.offers[-1].head], time_s=100)
    made.tell(ConditionsRead(FINE))
    made.publish_head()
    made.answer()
    root = made.finish_training(cost=Cost(4, 240, None, 1_000, 2_000, radio_mj=200))
    assert made.disk.updates[root].head.energy_mj == 4 * 500 + 200
    spent = of(made, SaveUpdate)[-1].spent
    assert (spent.predicted_mj, spent.predicted_bytes) == (5_100, 3_000)
    assert spent.cost.energy_mj is None, "what was not measured is not learned from"


def close_rounds(made: DeviceWorld, count: int, failure: TrainingFailed | None = None) -> list[int]:
    """The rounds the device began while so many closed; what it begins fails like that, or takes too long."""
    for i in range(count):
        if failure is not None and made.phase() == Phase.TRAINING:
            made.tell(replace(failure, round=made.orders[-1].round))
        made.chain.close_round([0, 1], time_s=100 + i)
        made.publish_head()
        made.tell(ConditionsRead(FINE))
        made.answer()
    return [one.round for one in made.orders]


ONE_A_DAY = Limits(rounds_a_day=1)


def test_a_round_that_failed_in_the_middle_is_one_of_the_day() -> None:
    made = world(limits=ONE_A_DAY)
    assert close_rounds(made, 8, TrainingFailed(0, "diverged", worked=True)) == [1]
    (given_up,) = of(made, SaveGivenUp)
    assert given_up.spent.ended_ms == made.now_ms
    assert made.agent.participant is not None
    assert why(made) == "closed gate: rounds"


def test_a_round_that_came_too_late_is_one_of_the_day() -> None:
    made = world(limits=ONE_A_DAY, staleness_max=1)
    assert close_rounds(made, 8) == [1]
    assert [one.why for one in of(made, SaveGivenUp)] == ["too late"]


def test_a_round_that_failed_before_its_first_step_is_none_of_the_day() -> None:
    made = world(limits=ONE_A_DAY)
    assert close_rounds(made, 3, TrainingFailed(0, "no data")) == [1, 2, 3, 4]
    assert [one.spent for one in of(made, SaveGivenUp)] == [None] * 3


def test_a_round_that_fails_after_a_pause_was_worked_on() -> None:
    made = world(limits=ONE_A_DAY)
    made.tell(ConditionsRead(HOT))
    paused(made)
    made.tell(ConditionsRead(FINE))
    made.tell(TrainingFailed(1, "no data any more"))
    assert of(made, SaveGivenUp)[0].spent is not None
    assert close_rounds(made, 3) == [1, 1], "begun, and gone on with"


def test_a_round_without_data_is_tried_again_after_some_minutes_and_never_more_often() -> None:
    made = world(limits=ONE_A_DAY)
    for begun in range(1, 4):
        assert [one.round for one in made.orders] == [1] * begun
        made.tell(TrainingFailed(1, "no data"))
        made.now_ms += RETRY_FAILED_MS - 1
        made.tell(ConditionsRead(FINE))
        assert (len(made.orders), why(made)) == (begun, "failed: no data")
        made.now_ms += 1
        made.tell(ConditionsRead(HOT))
        assert len(made.orders) == begun, "within the gates"
        made.tell(ConditionsRead(FINE))
        made.answer()
    root = made.finish_training()
    assert root in made.disk.updates, "the data are back"


def test_a_round_that_failed_in_the_middle_is_not_tried_again() -> None:
    made = world()
    made.tell(TrainingFailed(1, "diverged", worked=True))
    for _minute in range(30):
        made.now_ms += 60_000
        made.tell(ConditionsRead(FINE))
        made.answer()
    assert len(made.orders) == 1
