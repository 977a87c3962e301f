"""The life of a board around its process, on a shell that does nothing by itself."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import takewhile
from typing import Any

from edge_client.adapters.memory_disk import MemoryDisk
from edge_client.core.events import TrainingOrder
from edge_client.protocol.header import AppLeaves
from edge_client.protocol.keys import verify
from edge_client.protocol.machine import Machine
from edge_client.runtime.transport import Will
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.fleet.device import FleetDevice
from firmware_profiles.fleet.founding import MIDNIGHT_MS, POWER_UP_MS, DeviceSetup, Founding
from firmware_profiles.fleet.shell import Executors
from firmware_profiles.profiles.fleet import Faults
from firmware_profiles.report.tally import Tally
from firmware_profiles.twin.device import Began, Compute
from firmware_profiles.twin.members import members
from firmware_profiles.twin.mishaps import RESTART_MS, Mishap
from tests.builders import make_params

HOUR_MS = 3_600_000


class QuietShell:
    """Time passes when it is told to; the machine hears of nothing."""

    is_asleep = False

    def __init__(self) -> None:
        self.time_ms = MIDNIGHT_MS
        self.disk = MemoryDisk()
        self.executors: Executors = {}
        self.on: list[tuple[int, bool]] = []
        self.kills_ms: list[int] = []
        self.trained = 0
        self._steps: list[tuple[int, int, Callable[[], None]]] = []

    def now_ms(self) -> int:
        return self.time_ms

    def later(self, delay_ms: int, step: Callable[[], None]) -> None:
        heapq.heappush(self._steps, (self.time_ms + delay_ms, len(self._steps), step))

    def open(self) -> MemoryDisk:
        return self.disk

    def run(self, _machine: Machine[Any, Any], executors: Executors, _will: Will) -> None:
        self.executors = executors

    def train(self, order: TrainingOrder) -> None:
        self.trained += 1

    def kill(self) -> None:
        self.kills_ms.append(self.time_ms)

    def reach(self, *, on: bool) -> None:
        self.on.append((self.time_ms, on))

    def pass_until(self, until_ms: int) -> None:
        while self._steps and self._steps[0][0] <= until_ms:
            self.time_ms, _, step = heapq.heappop(self._steps)
            step()
        self.time_ms = until_ms


@cache
def founding() -> Founding:
    catalogue = read_catalogue()
    return Founding(catalogue.fleet("home").resized(10), catalogue, 5)


@cache
def calm() -> Faults:
    """Nothing goes wrong."""
    faults = founding().fleet.faults
    never = replace(faults.crashes_a_day, low=0, high=0)
    return replace(faults, crashes_a_day=never)


def a_setup(number: int = 0, drop_out: float = 0.0) -> DeviceSetup:
    setup = founding().device(members(founding().fleet)[number], bytes(32), verify)
    return replace(setup, mishaps=replace(setup.mishaps, faults=calm(), dropout=drop_out))


def a_device(setup: DeviceSetup, tally: Tally | None = None) -> tuple[FleetDevice, QuietShell]:
    shell = QuietShell()
    return FleetDevice(setup, shell, tally or Tally(MIDNIGHT_MS, HOUR_MS)), shell


def an_order(round_number: int = 7) -> TrainingOrder:
    app = AppLeaves(bytes(32), bytes(32), bytes(32), bytes(32))
    return TrainingOrder(round_number, 0, bytes(32), make_params(), bytes(32), 0, round_number + 1, app)


def begin(shell: QuietShell, round_number: int, lasts_ms: int = 60_000) -> None:
    shell.executors[Began](Began(round_number, shell.time_ms + lasts_ms))


def test_reach_is_followed_before_the_board_is_switched_on() -> None:
    _, shell = a_device(a_setup())
    shell.pass_until(MIDNIGHT_MS + 24 * HOUR_MS)
    states = [on for _, on in shell.on]
    assert True in states
    assert False in states
    assert shell.executors == {}


def test_work_that_drops_out_kills_the_process_and_it_comes_back() -> None:
    device, shell = a_device(a_setup(drop_out=1.0))
    device.power_up()
    begin(shell, 7, lasts_ms=RESTART_MS)
    while not shell.kills_ms:
        assert device.twin is not None
        shell.pass_until(shell.time_ms + 1000)
    assert device.twin is None
    assert shell.time_ms <= MIDNIGHT_MS + RESTART_MS
    shell.pass_until(shell.kills_ms[0] + RESTART_MS)
    assert device.twin is not None
    assert (device.starts, device.drop_outs) == (2, 1)


def test_the_energy_of_work_counts_until_the_process_is_killed() -> None:
    device, shell = a_device(a_setup())
    device.power_up()
    board = device.setup.board
    board.work(on=True)
    shell.pass_until(shell.time_ms + 60_000)
    before_j = board.training_j
    device.kill()
    spent_j = board.training_j - before_j
    assert spent_j > 0
    board.advance(shell.time_ms + 60_000)
    assert board.training_j == before_j + spent_j, "and no longer"


def test_the_luck_of_a_round_does_not_depend_on_earlier_ones() -> None:
    def falls(rounds: tuple[int, ...]) -> set[int]:
        found = set()
        for number in range(10):
            device, shell = a_device(a_setup(number, drop_out=0.5))
            device.power_up()
            for each in rounds:
                before = device.drop_outs
                begin(shell, each)
                if each == rounds[-1] and device.drop_outs > before:
                    found.add(number)
        return found

    assert falls((3, 9)) == falls((9,)) == falls((3, 4, 5, 9))
    assert 0 < len(falls((9,))) < 10
    assert falls((9,)) != falls((10,))


def test_work_that_goes_on_in_a_round_has_a_luck_of_its_own() -> None:
    device, shell = a_device(a_setup(drop_out=0.5))
    device.power_up()
    fell = []
    for _ in range(20):
        before = device.drop_outs
        begin(shell, 3)
        fell.append(device.drop_outs > before)
    assert len(set(fell)) == 2


def test_a_process_crashes_when_the_plan_says_and_only_a_running_one() -> None:
    tally, often = Tally(MIDNIGHT_MS, HOUR_MS), replace(calm().crashes_a_day, low=100, high=100)
    setup = a_setup()
    setup = replace(setup, mishaps=replace(setup.mishaps, faults=replace(calm(), crashes_a_day=often)))
    device, shell = a_device(setup, tally)
    shell.pass_until(MIDNIGHT_MS + 3 * HOUR_MS)
    assert not tally.injected.counts[Mishap.CRASH.value]
    device.power_up()
    shell.pass_until(MIDNIGHT_MS + 6 * HOUR_MS)
    due = takewhile(lambda at: at < 6 * HOUR_MS, setup.mishaps.crashes(0))
    later = [one for one in due if one >= 3 * HOUR_MS]
    assert [one - MIDNIGHT_MS for one in shell.kills_ms] == later
    assert tally.injected.counts[Mishap.CRASH.value] == len(later) > 2
    assert device.starts >= len(later)


def test_what_befalls_a_device_is_counted_by_kind() -> None:
    tally = Tally(MIDNIGHT_MS, HOUR_MS)
    device, shell = a_device(replace(a_setup(drop_out=1.0), lies=True), tally)
    device.power_up()
    shell.executors[Compute](Compute(an_order()))
    begin(shell, 7)
    shell.pass_until(MIDNIGHT_MS + 24 * HOUR_MS)
    counts, cut = tally.injected.counts, sum(not on for _, on in shell.on)
    assert shell.trained == 1
    assert counts[Mishap.LIE.value] == counts[Mishap.DROP_OUT.value] == 1
    assert counts[Mishap.LOST_LINK.value] > 0
    assert counts[Mishap.LOST_LINK.value] <= cut


def test_boards_are_switched_on_within_the_first_half_hour_each_at_a_time_of_its_own() -> None:
    times = [a_setup(number).power_up_ms for number in range(10)]
    assert len(set(times)) == 10
    assert all(0 <= one < POWER_UP_MS for one in times)


def test_the_trace_of_a_board_goes_on_to_its_end_and_has_a_gap_where_it_was_off() -> None:
    tally = Tally(MIDNIGHT_MS, HOUR_MS)
    setup = a_setup()
    tally.watch(members(founding().fleet)[setup.number])
    device, shell = a_device(setup, tally)
    device.power_up()
    shell.pass_until(MIDNIGHT_MS + HOUR_MS)
    device.kill()
    shell.pass_until(MIDNIGHT_MS + 2 * HOUR_MS)
    device.finish()
    (trace,) = tally.traced()
    assert [one[0] for one in trace.points if one[3] == "off"] == [HOUR_MS, 2 * HOUR_MS]
    assert trace.points[-1][0] == 2 * HOUR_MS
