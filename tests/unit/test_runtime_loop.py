from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from edge_client.protocol.machine import LinkLost, LinkUp, Received, Woke
from edge_client.runtime.clock import SystemClock
from edge_client.runtime.loop import EventLoop, LoopLimits, stop_on_signals


@dataclass(frozen=True)
class Persist:
    what: str


@dataclass(frozen=True)
class Send:
    what: str


@dataclass(frozen=True)
class Stop:
    pass


Answer = Callable[[object], list[object]]


@dataclass
class Scripted:
    """A machine that answers as told and remembers what it was asked."""

    answer: Answer
    due_ms: int | None = None
    asked: list[object] = field(default_factory=list)

    def handle(self, event: object, now_ms: int) -> list[object]:
        self.asked.append(event)
        return self.answer(event)

    def deadline(self) -> int | None:
        return self.due_ms


def make_loop(
    machine: Scripted, done: list[object], limits: LoopLimits | None = None, clock: SystemClock | None = None
) -> EventLoop[object, object]:
    loop: EventLoop[object, object]
    effects = {Persist: done.append, Send: done.append, Stop: lambda _effect: loop.request_stop()}
    loop = EventLoop(machine, effects, clock or SystemClock(), limits)
    return loop


def test_events_and_effects_keep_their_order() -> None:
    done: list[object] = []
    machine = Scripted(lambda event: [Stop()] if event == "end" else [Persist(str(event)), Send(str(event))])
    loop = make_loop(machine, done)
    for event in ("a", "b", "end", "never"):
        loop.post(event)
    loop.run()
    assert machine.asked == ["a", "b", "end"]
    assert done == [Persist("a"), Send("a"), Persist("b"), Send("b")]


def test_nothing_is_sent_after_a_persist_that_failed() -> None:
    done: list[object] = []

    def disk_full(_effect: Persist) -> None:
        raise OSError("disk full")

    machine = Scripted(lambda _event: [Persist("x"), Send("x")])
    loop = EventLoop[object, object](machine, {Persist: disk_full, Send: done.append}, SystemClock())
    loop.post("go")
    with pytest.raises(OSError, match="disk full"):
        loop.run()
    assert done == []


def test_an_effect_that_nobody_executes_is_our_own_bug() -> None:
    loop = EventLoop[object, object](Scripted(lambda _event: [Send("x")]), {}, SystemClock())
    loop.post("go")
    with pytest.raises(KeyError):
        loop.run()


def test_a_deadline_in_the_past_wakes_but_lets_events_through() -> None:
    machine = Scripted(lambda event: [Stop()] if event == "end" else [], due_ms=0)
    loop = make_loop(machine, [])
    loop.post("end")
    loop.run()
    assert machine.asked == [Woke(), "end"]


def test_a_deadline_to_come_wakes_when_it_comes() -> None:
    clock = SystemClock()
    machine = Scripted(lambda _event: [Stop()], due_ms=clock.now_ms() + 30)
    loop = make_loop(machine, [])
    loop.run()
    assert machine.asked == [Woke()]
    assert clock.now_ms() >= (machine.due_ms or 0)


def test_the_machine_says_its_deadline_once_for_each_event() -> None:
    """And once before the stop; to ask costs a device as much as half an event."""
    questions = 0

    class Counting(Scripted):
        def deadline(self) -> int | None:
            nonlocal questions
            questions += 1
            return None

    machine = Counting(lambda event: [Stop()] if event == "end" else [])
    loop = make_loop(machine, [])
    for event in ("first", "second", "end"):
        loop.post(event)
    loop.run()
    assert questions == len(machine.asked) + 1


def test_a_full_queue_drops_messages_and_nothing_else() -> None:
    machine = Scripted(lambda event: [Stop()] if event == "end" else [])
    loop = make_loop(machine, [], LoopLimits(events_max=3))
    messages = [Received("t", bytes([number])) for number in range(5)]
    for event in (*messages, LinkLost("x"), LinkUp("s"), "own result", "end"):
        loop.post(event)
    assert loop.dropped_count == 2
    loop.run()
    assert machine.asked == [*messages[:3], LinkLost("x"), LinkUp("s"), "own result", "end"]


def test_waiting_payload_bytes_are_bounded() -> None:
    machine = Scripted(lambda event: [Stop()] if event == Received("t", b"12345") else [])
    loop = make_loop(machine, [], LoopLimits(payload_bytes_max=10))
    for size in (6, 6, 4):
        loop.post(Received("t", bytes(size)))
    loop.post("end")
    assert loop.dropped_count == 1
    machine.answer = lambda event: [Stop()] if event == "end" else []
    loop.run()
    loop.post(Received("t", bytes(10)))  # all bytes were given back
    assert loop.dropped_count == 1


def test_a_thread_that_dies_takes_the_process_with_it() -> None:
    loop = make_loop(Scripted(lambda _event: []), [])

    def die() -> None:
        raise ValueError("bug in a worker")

    def run_worker(_event: object) -> list[object]:
        threading.Thread(target=die).start()
        return []

    loop = make_loop(Scripted(run_worker), [])
    loop.post("go")
    hook = threading.excepthook
    with pytest.raises(ValueError, match="bug in a worker"):
        loop.run()
    assert threading.excepthook is hook


def test_post_from_other_threads() -> None:
    count = 4 * 500
    machine = Scripted(lambda _event: [Stop()] if len(machine.asked) == count else [])
    loop = make_loop(machine, [])

    def post_all(base: int) -> None:
        for number in range(500):
            loop.post((base, number))

    threads = [threading.Thread(target=post_all, args=(base,)) for base in range(4)]
    for thread in threads:
        thread.start()
    loop.run()
    for base in range(4):
        assert [event for event in machine.asked if event[0] == base] == [(base, n) for n in range(500)]  # type: ignore[index]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_the_loop(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def kill_me(_event: object) -> list[object]:
        threading.Timer(0.02, os.kill, (os.getpid(), number)).start()
        return []

    loop = make_loop(Scripted(kill_me), [])
    loop.post("go")
    with stop_on_signals(loop.request_stop):
        loop.run()
    assert signal.getsignal(number) == before


def test_a_signal_between_the_last_look_and_the_wait_ends_the_wait() -> None:
    class Interrupted(SystemClock):
        def wait_s(self, duration_ms: int) -> float:
            os.kill(os.getpid(), signal.SIGTERM)  # its handler runs here: the loop has already looked
            return super().wait_s(duration_ms)

    loop = make_loop(Scripted(lambda _event: []), [], clock=Interrupted())
    waited = threading.Event()

    def look_again() -> None:
        waited.set()
        loop.post("look again")

    late = threading.Timer(20, look_again)
    late.start()
    with stop_on_signals(loop.request_stop):
        loop.run()
    late.cancel()
    assert not waited.is_set()


def test_after_its_end_a_loop_holds_no_sockets_and_may_be_told_again() -> None:
    loop = make_loop(Scripted(lambda _event: [Stop()]), [])
    loop.post("end")
    loop.run()
    loop.post("late")
    loop.request_stop()
    with pytest.raises(OSError, match="Bad file"):
        loop._bell.wait(0)
