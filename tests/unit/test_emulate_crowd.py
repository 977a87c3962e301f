"""Many machines as one: whose event, whose deadline, which life."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_client.protocol.machine import Received, Woke
from firmware_profiles.emulate.crowd import Crowd, Due, Place, Told, Wanted

A, B = Place(1, 1), Place(2, 1)


@dataclass(slots=True)
class Echo:
    """Answers each event with it; wakes once at `due_ms`."""

    due_ms: int | None = None
    heard: list[object] = field(default_factory=list)

    def handle(self, event: object, now_ms: int) -> list[object]:
        self.heard.append(event)
        if isinstance(event, Woke) and self.due_ms is not None and self.due_ms <= now_ms:
            self.due_ms = None
        return [event]

    def deadline(self) -> int | None:
        return self.due_ms


def test_events_reach_their_machine_and_effects_say_whose_they_are() -> None:
    crowd, one, two = Crowd(), Echo(), Echo()
    crowd.add(A, one)
    crowd.add(B, two)
    assert crowd.handle(Told(B, "hello"), 5) == [Wanted(B, "hello")]
    assert one.heard == []
    assert two.heard == ["hello"]


def test_wakes_one_after_the_other_by_their_times() -> None:
    crowd = Crowd()
    crowd.add(A, Echo(30))
    crowd.add(B, Echo(10))
    crowd.later(20, lambda: None)
    assert crowd.deadline() == 10
    assert crowd.handle(Woke(), 25) == [Wanted(B, Woke())]
    assert crowd.deadline() == 20
    (step,) = crowd.handle(Woke(), 25)
    assert isinstance(step, Due)
    assert crowd.handle(Woke(), 25) == []
    assert crowd.deadline() == 30


def test_a_deadline_that_moves_counts_as_it_is_now() -> None:
    crowd, one = Crowd(), Echo(10)
    crowd.add(A, one)
    one.due_ms = 50
    crowd.handle(Told(A, "later"), 5)
    assert crowd.deadline() == 50
    assert crowd.handle(Woke(), 20) == []


def test_a_machine_that_stays_due_lets_others_have_their_turn() -> None:
    class Stuck(Echo):
        def handle(self, event: object, now_ms: int) -> list[object]:
            return [event]

    crowd = Crowd()
    crowd.add(A, Stuck(10))
    crowd.add(B, Stuck(10))
    assert [crowd.handle(Woke(), 20)[0] for _ in range(3)] == [Wanted(one, Woke()) for one in (A, B, A)]


def test_what_was_for_an_earlier_life_is_dropped() -> None:
    crowd, second = Crowd(), Echo()
    crowd.add(A, Echo(10))
    crowd.remove(A)
    crowd.add(Place(1, 2), second)
    assert crowd.handle(Told(A, "late"), 5) == []
    assert crowd.deadline() is None
    assert second.heard == []


def test_waiting_messages_are_bounded_other_events_are_not() -> None:
    crowd = Crowd(received_max=3)
    posted: list[Told | Woke] = []
    crowd.add(A, Echo())
    deliver = crowd.poster(A, posted.append)
    for _ in range(5):
        deliver(Received("t", b""))
    deliver("link lost")  # type: ignore[arg-type]
    assert crowd.dropped_count == 2
    assert len(posted) == 4
    crowd.handle(posted[0], 1)
    deliver(Received("t", b""))
    assert crowd.dropped_count == 2
