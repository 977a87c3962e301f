"""Work on a board takes as long, and costs as much, as its steps do, whenever somebody looks."""

from __future__ import annotations

import pytest

from edge_client.core.conditions.limits import Limits
from edge_client.core.events import TrainingOrder
from edge_client.protocol.header import AppLeaves
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.twin.board import Equipment, Surroundings, TwinBoard
from firmware_profiles.twin.radio import Radio
from firmware_profiles.twin.work import Work
from tests.builders import make_params

CATALOGUE = read_catalogue()
START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
STEPS = 100_000


def a_board(ambient_c: float | None = None) -> TwinBoard:
    profile = CATALOGUE.boards["raspberry-pi-4b"]
    equipment = Equipment(profile, Radio(CATALOGUE.links["wifi-4"]), profile.step.cnn.typical)
    return TwinBoard(equipment, Surroundings(START_MS, ambient_c), Limits(), START_MS)


def looked_at(board: TwinBoard, work: Work, times_ms: list[int]) -> None:
    for at_ms in times_ms:
        work.advance(at_ms)
        board.advance(at_ms)


def a_work(board: TwinBoard, done: int = 0) -> Work:
    app = AppLeaves(bytes(32), bytes(32), bytes(32), bytes(32))
    order = TrainingOrder(1, 0, bytes(32), make_params(), bytes(32), 0, 1, app)
    return Work(order, STEPS, done, board, START_MS)


def test_it_lasts_as_long_as_its_steps() -> None:
    board = a_board()
    work = a_work(board)
    lasts_ms = work.ends_ms - START_MS
    assert lasts_ms == pytest.approx(STEPS * board.equipment.step_ms, abs=1)
    looked_at(board, work, [work.ends_ms - 1])
    assert not work.is_over
    looked_at(board, work, [work.ends_ms])
    assert work.is_over
    assert work.steps_done == STEPS


@pytest.mark.parametrize("ambient_c", [None, 60.0], ids=["cool", "throttled"])
def test_who_looks_late_finds_the_same(ambient_c: float | None) -> None:
    """In an emulation the processor is shared: hours of a fast clock may pass before the loop comes round."""
    punctual, late = a_board(ambient_c), a_board(ambient_c)
    in_time, at_last = a_work(punctual), a_work(late)
    while not in_time.is_over:
        looked_at(punctual, in_time, [min(in_time.ends_ms, punctual.next_change() or in_time.ends_ms)])
    end_ms = in_time.ends_ms + 5 * HOUR_MS
    looked_at(punctual, in_time, [end_ms])
    looked_at(late, at_last, [end_ms])
    assert at_last.is_over
    unhurried_ms = STEPS * late.equipment.step_ms
    assert (in_time.train_ms > 1.01 * unhurried_ms) == (ambient_c is not None)
    assert at_last.train_ms == pytest.approx(in_time.train_ms, abs=2)
    assert at_last.spent_mj == pytest.approx(in_time.spent_mj, rel=1e-6)
    assert late.training_j == pytest.approx(punctual.training_j, rel=1e-6)
    assert late.energy_mj == pytest.approx(punctual.energy_mj, rel=1e-6)


def test_interrupted_work_goes_on_where_it_was() -> None:
    board = a_board()
    work = a_work(board)
    half_ms = (START_MS + work.ends_ms) // 2
    looked_at(board, work, [half_ms])
    work.stop()
    assert work.steps_done == pytest.approx(STEPS / 2, abs=1)
    spent_j = board.training_j
    board.advance(half_ms + HOUR_MS)
    assert board.training_j == spent_j
    again = Work(work.order, STEPS, work.steps_done, board, half_ms + HOUR_MS)
    assert again.ends_ms - half_ms - HOUR_MS == pytest.approx(half_ms - START_MS, abs=100)


def test_work_whose_steps_are_all_done_is_over_at_once() -> None:
    board = a_board()
    work = a_work(board, done=STEPS)
    work.advance(START_MS)
    assert work.is_over
    assert board.training_j == 0
