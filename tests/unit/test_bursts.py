"""When the device connects and leaves, as rules on errands; see `test_agent_bursts` for a whole agent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.core.bursts import (
    BURST_MS_MAX,
    CONNECT_MS_MAX,
    REST_MS_MIN,
    RETRY_MS_MAX,
    RETRY_MS_MIN,
    SILENCE_MS_MAX,
    SLEEP_MS_MIN,
    WORDS_MS_MAX,
    Bursts,
    Errand,
    Plan,
    Sleep,
)
from edge_client.core.conditions.readings import Conditions, Unknown

HOUR_MS = 3_600_000
T0 = 1_000_000
IDLE = Errand(None, T0 + HOUR_MS, "round 3 is over then", 7, True)
BUSY = replace(IDLE, busy="an update is to be sent")


def bursts(setting: Sleep = Sleep.ALWAYS) -> Bursts:
    """Connected since T0; chance 0.5 leaves every wait as it is."""
    made = Bursts(setting, lambda: 0.5)
    assert made.advance(BUSY, T0) is None
    made.link_up(T0)
    return made


def asleep() -> Bursts:
    made = bursts()
    assert made.advance(IDLE, T0 + 100) is False
    return made


def test_it_leaves_when_there_is_nothing_to_say_and_comes_back_when_it_is_time() -> None:
    made = bursts()
    assert made.advance(BUSY, T0) is None
    assert made.advance(IDLE, T0 + 100) is False
    assert made.plan == Plan(IDLE.wake_ms, IDLE.because)
    assert made.deadline() == IDLE.wake_ms
    assert made.advance(IDLE, IDLE.wake_ms - 1) is None
    assert made.advance(IDLE, IDLE.wake_ms) is True
    assert made.plan is None


def test_something_to_say_wakes_at_once() -> None:
    made = asleep()
    assert made.advance(BUSY, T0 + 200) is True


def test_a_plan_follows_what_the_gates_say() -> None:
    made = asleep()
    earlier = replace(IDLE, wake_ms=T0 + 200)
    assert made.advance(earlier, T0 + 199) is None
    assert made.deadline() == T0 + 200
    assert made.advance(earlier, T0 + 200) is True


def test_a_short_wait_is_spent_connected() -> None:
    made = bursts()
    soon = replace(IDLE, wake_ms=T0 + SLEEP_MS_MIN - 1)
    assert made.advance(soon, T0) is None
    assert made.deadline() == soon.wake_ms
    assert made.advance(replace(IDLE, wake_ms=T0 + SLEEP_MS_MIN), T0) is False


def test_words_that_do_not_come_are_waited_for_a_little() -> None:
    made = bursts()
    doubtful = replace(IDLE, has_words=False)
    assert made.advance(doubtful, T0) is None
    assert made.deadline() == T0 + WORDS_MS_MAX
    assert made.advance(doubtful, T0 + WORDS_MS_MAX) is False


def test_an_absent_server_is_asked_less_and_less() -> None:
    made = Bursts(Sleep.ALWAYS, lambda: 0.5)
    now_ms, waits = T0, []
    assert made.advance(BUSY, now_ms) is None
    for _ in range(10):
        now_ms += CONNECT_MS_MAX
        assert made.advance(BUSY, now_ms - 1) is None
        assert made.advance(BUSY, now_ms) is False
        due_ms = made.deadline()
        assert due_ms is not None
        waits.append(due_ms - now_ms)
        assert made.advance(BUSY, due_ms - 1) is None, "the back-off holds for what is to be said, too"
        now_ms = due_ms
        assert made.advance(BUSY, now_ms) is True
    assert waits[:3] == [RETRY_MS_MIN, 2 * RETRY_MS_MIN, 4 * RETRY_MS_MIN]
    assert waits[-1] == RETRY_MS_MAX
    made.link_up(now_ms)
    done = replace(IDLE, wake_ms=now_ms + HOUR_MS)
    assert made.advance(done, now_ms) is False
    assert made.advance(replace(done, busy="the round is trained"), now_ms + 1) is True


@pytest.mark.parametrize(("chance", "wait_ms"), [(0.0, 24_000), (0.75, 33_000)])
def test_waits_are_spread(chance: float, wait_ms: int) -> None:
    made = Bursts(Sleep.ALWAYS, lambda: chance)
    made.advance(BUSY, T0)
    made.advance(BUSY, T0 + CONNECT_MS_MAX)
    assert made.deadline() == T0 + CONNECT_MS_MAX + wait_ms


def test_silence_ends_a_burst_and_so_does_its_length() -> None:
    made = bursts()
    made.heard(T0 + 5_000)
    assert made.advance(BUSY, T0 + SILENCE_MS_MAX) is None
    assert made.advance(BUSY, T0 + 5_000 + SILENCE_MS_MAX) is False
    talked = bursts()
    talked.heard(T0 + BURST_MS_MAX)
    assert talked.advance(BUSY, T0 + BURST_MS_MAX) is False


def test_a_wake_up_that_brought_nothing_new_doubles_the_wait() -> None:
    made = asleep()
    now_ms, waits = IDLE.wake_ms, []
    for _ in range(3):
        assert made.advance(IDLE, now_ms) is True
        made.link_up(now_ms)
        assert made.advance(IDLE, now_ms) is False
        due_ms = made.deadline()
        assert due_ms is not None
        waits.append(due_ms - now_ms)
        now_ms = due_ms
    assert waits == [RETRY_MS_MIN, 2 * RETRY_MS_MIN, 4 * RETRY_MS_MIN]
    assert made.advance(IDLE, now_ms) is True
    made.link_up(now_ms)
    news = replace(IDLE, height=8, wake_ms=now_ms + HOUR_MS)
    assert made.advance(news, now_ms) is False
    assert made.deadline() == news.wake_ms


def test_the_owners_word_ends_a_back_off() -> None:
    made = Bursts(Sleep.ALWAYS, lambda: 0.5)
    made.advance(BUSY, T0)
    made.advance(BUSY, T0 + CONNECT_MS_MAX)
    made.hasten()
    assert made.advance(BUSY, T0 + CONNECT_MS_MAX + 1) is True


def test_a_clock_that_jumps_back_wakes() -> None:
    assert asleep().advance(IDLE, T0 - HOUR_MS) is True


def test_a_lost_link_has_its_time_to_come_back() -> None:
    made = bursts()
    made.link_lost(T0 + 1_000)
    assert made.advance(IDLE, T0 + 1_000) is None
    assert made.deadline() == T0 + 1_000 + CONNECT_MS_MAX
    made.link_up(T0 + 2_000)
    assert made.advance(IDLE, T0 + 2_000) is False


BATTERY = Conditions(has_battery=True, mains=False, link="wifi")
SLEEPERS = [
    (Sleep.AUTO, BATTERY, True),
    (Sleep.AUTO, replace(BATTERY, mains=Unknown("?")), True),
    (Sleep.AUTO, replace(BATTERY, mains=True), False),
    (Sleep.AUTO, Conditions(link="ethernet"), False),
    (Sleep.AUTO, Conditions(link="modem"), True),
    (Sleep.AUTO, Conditions(), False),
    (Sleep.ALWAYS, Conditions(), True),
    (Sleep.NEVER, BATTERY, False),
]


@pytest.mark.parametrize(("setting", "seen", "sleeps"), SLEEPERS)
def test_who_sleeps(setting: Sleep, seen: Conditions, sleeps: bool) -> None:
    made = bursts(setting)
    made.read(seen)
    assert made.wants_sleep is sleeps
    assert made.advance(IDLE, T0) is (False if sleeps else None)
    assert (made.deadline() is None) is not sleeps


REST = replace(IDLE, wake_ms=T0 + REST_MS_MIN, rests=True)


@pytest.mark.parametrize(
    ("setting", "errand", "rests"),
    [
        (Sleep.AUTO, REST, True),
        (Sleep.AUTO, replace(REST, rests=False), False),
        (Sleep.AUTO, replace(REST, wake_ms=REST.wake_ms - 1), False),
        (Sleep.AUTO, replace(REST, busy="an update is to be sent"), False),
        (Sleep.NEVER, REST, False),
    ],
)
def test_a_long_rest_is_slept_on_mains_too(setting: Sleep, errand: Errand, rests: bool) -> None:
    made = bursts(setting)
    made.read(Conditions(link="wifi"))
    assert made.advance(errand, T0) is (False if rests else None)
    if rests:
        assert made.advance(errand, errand.wake_ms - 1) is None, "also through its last half hour"
        assert made.advance(errand, errand.wake_ms) is True


def test_a_rest_ends_when_the_gate_opens_earlier_or_there_is_something_to_say() -> None:
    for sooner in (replace(REST, wake_ms=T0 + 1, rests=False), replace(REST, busy="the owner's wish")):
        made = bursts(Sleep.AUTO)
        made.read(Conditions(link="ethernet"))
        assert made.advance(REST, T0) is False
        assert made.advance(sooner, T0 + 1) is True


def test_without_a_link_a_board_on_mains_does_not_rest() -> None:
    made = bursts(Sleep.AUTO)
    made.read(Conditions(link="ethernet"))
    made.link_lost(T0 + 1)
    assert made.advance(replace(REST, wake_ms=REST.wake_ms + 10), T0 + 2) is None
    assert made.plan is None


def test_mains_that_come_back_wake() -> None:
    made = bursts(Sleep.AUTO)
    made.read(BATTERY)
    assert made.advance(IDLE, T0) is False
    made.read(replace(BATTERY, mains=True))
    assert made.advance(IDLE, T0 + 1) is True
    assert made.advance(IDLE, T0 + 2) is None
    assert made.plan is None
