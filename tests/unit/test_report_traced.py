"""Traces of boards: what happens between two events is shown as it was, and nothing is moved by looking."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from edge_client.core.conditions.limits import Limits
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.report.tally import Points
from firmware_profiles.report.traced import Traced
from firmware_profiles.twin.board import Equipment, Surroundings, TwinBoard
from firmware_profiles.twin.presence import Pattern, Stays
from firmware_profiles.twin.radio import Radio

CATALOGUE = read_catalogue()
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


class Idle:
    """A twin that only lets time pass."""

    def __init__(self, board: TwinBoard) -> None:
        self.board = board

    def handle(self, _event: Any, now_ms: int) -> list[Any]:
        self.board.advance(now_ms)
        return []


def a_board() -> TwinBoard:
    """On its battery for ever."""
    gone = Pattern(Stays(3600, 3600, 3600, 3600, 0, 1), lambda _n: 0.5)
    gone.on, gone.next_s = False, float("inf")
    profile = CATALOGUE.boards["raspberry-pi-4b"]
    equipment = Equipment(
        profile, Radio(CATALOGUE.links["wifi-5"]), 2.0, CATALOGUE.batteries["power-bank-20ah"]
    )
    return TwinBoard(equipment, Surroundings(0, plugged=(gone,)), Limits(), 0)


def test_a_board_cools_down_in_minutes_however_late_the_next_event_is() -> None:
    board, points = a_board(), Points("one", "raspberry-pi-4b")
    traced = Traced(Idle(board), board, points, lambda: "idle", 0)  # type: ignore[arg-type]
    traced.handle(None, 0)
    board.work(on=True)
    board.advance(10 * MINUTE_MS)
    traced.handle(None, 10 * MINUTE_MS)
    hot_c = points.points[-1][2]
    board.work(on=False)
    traced.handle(None, 4 * HOUR_MS)
    settled_c, cooled = points.points[-1][2], [one for one in points.points if one[0] > 10 * MINUTE_MS]
    assert hot_c > settled_c + 3
    assert next(one[2] for one in cooled if one[0] >= 30 * MINUTE_MS) == pytest.approx(settled_c, abs=0.2)
    assert max(after[0] - one[0] for one, after in pairwise(cooled)) <= 15 * MINUTE_MS
    charges = [one[1] for one in points.points if one[1] is not None]
    assert charges == sorted(charges, reverse=True)
    assert charges[-1] == round(100 * (board.battery_share or 0), 1)


def test_looking_moves_nothing() -> None:
    seen, unseen = a_board(), a_board()
    for board in (seen, unseen):
        board.work(on=True)
    for at_ms in range(0, HOUR_MS, MINUTE_MS):
        share, temperature_c = seen.foreseen(at_ms)
    for board in (seen, unseen):
        board.advance(HOUR_MS)
    assert (seen.energy_mj, seen.battery_share) == (unseen.energy_mj, unseen.battery_share)
    assert share == pytest.approx(seen.battery_share, rel=0.01)
    assert temperature_c == pytest.approx(seen.temperature_c, abs=0.1)
