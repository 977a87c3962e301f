"""Faults of server and validators: when they come, what they break, and that it is mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import takewhile

from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.emulate.steps import Steps
from firmware_profiles.fleet.founding import MIDNIGHT_MS
from firmware_profiles.fleet.troubles import Troubles
from firmware_profiles.profiles.figure import Figure
from firmware_profiles.profiles.fleet import Faults
from firmware_profiles.report.injected import Injected
from firmware_profiles.twin.mishaps import DAY_MS, RESTART_MS, Mishap, Mishaps

SEED = 5
OUTAGE_S = 60


@cache
def shipped() -> Faults:
    return read_catalogue().fleet("home").faults


def planned(outages_a_day: float, crashes_a_day: float, loss: float = 0) -> Mishaps:
    faults = shipped()

    def given(figure: Figure, value: float) -> Figure:
        return replace(figure, low=value, high=value)

    changed = replace(
        faults,
        mqtt_outages_a_day=given(faults.mqtt_outages_a_day, outages_a_day),
        mqtt_outage_lasts=given(faults.mqtt_outage_lasts, OUTAGE_S),
        validator_crashes_a_day=given(faults.validator_crashes_a_day, crashes_a_day),
        message_loss=given(faults.message_loss, loss),
    )
    return Mishaps(changed, 0, SEED)


class Stage:
    """Writes down what is done to the processes; time passes when it is told to."""

    owns_server = True

    def __init__(self, validators: range = range(0)) -> None:
        self.validators = validators
        self.steps = Steps()
        self.time_ms = MIDNIGHT_MS
        self.done: list[tuple[int, str]] = []

    def now_ms(self) -> int:
        return self.time_ms

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        self.steps.add(self.time_ms + delay_ms, step)

    def lose_server(self) -> None:
        self.done.append((self.time_ms, "lose"))

    def restore_server(self) -> None:
        self.done.append((self.time_ms, "restore"))

    def kill_validator(self, number: int) -> None:
        self.done.append((self.time_ms, f"kill {number}"))

    def start_validator(self, number: int) -> None:
        self.done.append((self.time_ms, f"start {number}"))


def lived(mishaps: Mishaps, stage: Stage, span_ms: int, step_ms: int) -> Injected:
    injected = Injected()
    Troubles(mishaps, stage, injected).begin()
    for stage.time_ms in range(MIDNIGHT_MS, MIDNIGHT_MS + span_ms, step_ms):
        stage.steps.run_due(stage.time_ms)
    return injected


def test_every_outage_of_the_plan_happens_and_ends() -> None:
    plan, stage = planned(20, 0), Stage()
    injected = lived(plan, stage, DAY_MS, 1000)
    expected = list(takewhile(lambda at: at < DAY_MS - 2000 * OUTAGE_S, plan.outages()))
    lost = [at for at, what in stage.done if what == "lose"]
    restored = [at for at, what in stage.done if what == "restore"]
    assert [0 <= at - MIDNIGHT_MS - due < 1000 for at, due in zip(lost, expected, strict=False)] == [
        True
    ] * len(expected)
    assert [back - at for at, back in zip(lost, restored, strict=False)] == [1000 * OUTAGE_S] * len(restored)
    assert injected.counts == {Mishap.MQTT_OUTAGE.value: len(lost)}
    assert [one.at_ms for one in injected.faults()] == [at - MIDNIGHT_MS for at in lost]
    assert len(lost) > 5


def test_a_validator_that_is_down_is_not_killed_again_and_comes_back() -> None:
    plan = planned(0, 20_000)  # so often that the next crash comes while it is down
    stage = Stage(range(2, 3))
    injected = lived(plan, stage, 600_000, 100)
    did = [what for _, what in stage.done]
    assert did == (["kill 2", "start 2"] * len(did))[: len(did)]
    assert len(did) > 10
    down_ms = [back - at for (at, _), (back, _) in zip(stage.done[::2], stage.done[1::2], strict=False)]
    assert all(RESTART_MS <= one < RESTART_MS + 200 for one in down_ms)
    assert injected.counts == {Mishap.VALIDATOR_CRASH.value: did.count("kill 2")}


def test_what_is_not_in_the_file_or_not_ours_is_not_broken() -> None:
    calm, foreign = Stage(range(4)), Stage()
    lived(planned(0, 0), calm, DAY_MS, 60_000)
    foreign.owns_server = False
    lived(planned(100, 100), foreign, DAY_MS, 60_000)
    assert calm.done == foreign.done == []


def test_the_plan_is_that_of_the_seed_and_of_whom_it_hits() -> None:
    plan = planned(5, 5)

    def first(found: Mishaps, validator: int) -> int:
        return next(found.validator_crashes(validator))

    assert first(plan, 0) == first(planned(1, 5), 0)
    assert len({first(plan, 0), first(plan, 1), first(replace(plan, seed=6), 0)}) == 3


def test_messages_are_lost_as_often_as_the_file_says() -> None:
    lossy, perfect = planned(0, 0, 0.1), planned(0, 0)
    assert 50 < sum(lossy.loses("one", number) for number in range(1000)) < 200
    assert not any(perfect.loses("one", number) for number in range(1000))
