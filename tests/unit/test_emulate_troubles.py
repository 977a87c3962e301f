"""Faults among real processes: when they come, what they break, and that it is mended."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import takewhile

from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.emulate.troubles import Troubles
from firmware_profiles.profiles.figure import Figure
from firmware_profiles.profiles.fleet import Faults
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
    return Mishaps(changed, SEED)


class Told:
    """Writes down what is done to the processes."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.done: list[tuple[int, str]] = []
        self.faults: list[Mishap] = []

    def lose_server(self) -> None:
        self.done.append((self.now_ms, "lose"))

    def restore_server(self) -> None:
        self.done.append((self.now_ms, "restore"))

    def kill_validator(self, number: int) -> None:
        self.done.append((self.now_ms, f"kill {number}"))

    def start_validator(self, number: int) -> None:
        self.done.append((self.now_ms, f"start {number}"))

    def note(self, kind: Mishap, _what: str) -> None:
        self.faults.append(kind)

    def live(self, troubles: Troubles, span_ms: int, step_ms: int) -> None:
        for self.now_ms in range(0, span_ms, step_ms):
            troubles.run_due(self.now_ms)


def test_every_outage_of_the_plan_happens_and_ends() -> None:
    plan, told = planned(20, 0), Told()
    troubles = Troubles(plan, told, told.note)
    troubles.lose_server()
    told.live(troubles, DAY_MS, 1000)
    expected = list(takewhile(lambda at: at < DAY_MS - 1000 * OUTAGE_S, plan.outages()))
    lost = [at for at, what in told.done if what == "lose"]
    assert [0 <= at - due < 1000 for at, due in zip(lost, expected, strict=False)] == [True] * len(expected)
    restored = [at for at, what in told.done if what == "restore"]
    assert [back - at for at, back in zip(lost, restored, strict=False)] == [1000 * OUTAGE_S] * len(restored)
    assert told.faults == [Mishap.MQTT_OUTAGE] * len(lost)
    assert len(lost) > 5


def test_a_validator_that_is_down_is_not_killed_again_and_comes_back() -> None:
    plan, told = planned(0, 20_000), Told()  # so often that the next crash comes while it is down
    troubles = Troubles(plan, told, told.note)
    troubles.crash_validator(2)
    told.live(troubles, 600_000, 100)
    did = [what for _, what in told.done]
    assert did == (["kill 2", "start 2"] * len(did))[: len(did)]
    assert len(did) > 10
    down_ms = [back - at for (at, _), (back, _) in zip(told.done[::2], told.done[1::2], strict=False)]
    assert all(RESTART_MS <= one < RESTART_MS + 200 for one in down_ms)
    assert told.faults == [Mishap.VALIDATOR_CRASH] * len(told.done[::2])


def test_without_faults_in_the_file_nothing_is_done() -> None:
    told = Told()
    troubles = Troubles(planned(0, 0), told, told.note)
    troubles.lose_server()
    troubles.crash_validator(0)
    told.live(troubles, DAY_MS, 60_000)
    assert told.done == []


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
