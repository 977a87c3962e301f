"""Faults that were injected: all are counted, the first of each kind are listed, by time."""

from __future__ import annotations

from firmware_profiles.report.injected import LISTED_MAX, Injected


def test_a_frequent_kind_leaves_room_for_a_rare_one() -> None:
    found = Injected()
    for number in range(LISTED_MAX + 50):
        found.note(number, "crash", f"device {number}")
    found.note(7, "mqtt-outage", "away")
    found.count("lost-message")
    assert found.counts == {"crash": LISTED_MAX + 50, "mqtt-outage": 1, "lost-message": 1}
    faults = found.faults()
    assert len(faults) == LISTED_MAX + 1
    assert faults[-1].at_ms == LISTED_MAX - 1
    assert [one.at_ms for one in faults] == sorted(one.at_ms for one in faults)


def test_two_processes_add_up_to_the_earliest_of_both() -> None:
    first, second = Injected(), Injected()
    for number in range(LISTED_MAX):
        first.note(10 * number, "crash", "a")
        second.note(10 * number + 5, "crash", "b")
    first.add(second)
    assert first.counts["crash"] == 2 * LISTED_MAX
    assert [one.at_ms for one in first.faults()] == [5 * number for number in range(LISTED_MAX)]
