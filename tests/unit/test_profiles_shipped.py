"""The shipped profiles: all boards of the issue, and figures that make sense together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.cli import main
from firmware_profiles.profiles.figure import Provenance
from firmware_profiles.profiles.tables import ProfileError

CATALOGUE = read_catalogue()
BOARDS = (
    *(
        "raspberry-pi-zero-2w",
        "raspberry-pi-3b-plus",
        "raspberry-pi-4b",
        "raspberry-pi-5",
        "raspberry-pi-cm4",
    ),
    *(
        "jetson-nano",
        "jetson-orin-nano",
        "jetson-orin-nx",
        "jetson-xavier-nx",
        "coral-dev-board",
        "beagleplay",
    ),
    *("orange-pi-5", "rock-5b", "arduino-uno-q", "portenta-x8"),
)
MINE = """
title = "The board on my roof"
based_on = "raspberry-pi-4b"
[step]
mlp = { value = 2.31, unit = "ms", provenance = "measured", source = "calibrate, 30 s" }
"""


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["profiles", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_board_of_the_issue_is_there() -> None:
    assert sorted(CATALOGUE.boards) == sorted(BOARDS)
    assert {link.kind.value for link in CATALOGUE.links.values()} == {"ethernet", "wifi", "modem"}
    assert {"lte-cat4", "lte-m"} <= set(CATALOGUE.links)


@pytest.mark.parametrize("name", BOARDS)
def test_figures_of_a_board_fit_together(name: str) -> None:
    board = CATALOGUE.boards[name]
    assert board.power.idle.typical < board.power.one_core_w < board.power.load.typical
    assert board.step.head.typical < board.step.mlp.typical < board.step.cnn.typical
    assert board.links
    resting_c = board.thermal.ambient.typical + board.thermal.resistance.typical * board.power.idle.typical
    assert all(resting_c < trip.at.low for trip in board.thermal.trips)
    claimed = (board.step.mlp, board.step.cnn, board.step.head, board.thermal.resistance)
    assert {figure.provenance for figure in claimed} == {Provenance.ESTIMATED}


def test_a_calibrated_board_takes_the_rest_from_the_one_it_is_based_on(tmp_path: Path) -> None:
    file = tmp_path / "roof.toml"
    file.write_text(MINE, encoding="utf-8")
    base, mine = CATALOGUE.boards["raspberry-pi-4b"], CATALOGUE.board(str(file))
    assert (mine.step.mlp.typical, mine.step.mlp.provenance) == (2.31, Provenance.MEASURED)
    assert (mine.step.cnn, mine.power, mine.links) == (base.step.cnn, base.power, base.links)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    for text, why in (("[", "not valid TOML"), (MINE.replace("4b", "9"), "no board 'raspberry-pi-9'")):
        file = tmp_path / "roof.toml"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ProfileError, match=f"roof.toml.*{why}"):
            CATALOGUE.board(str(file))
    with pytest.raises(ProfileError, match=r"cannot read .*away.toml"):
        CATALOGUE.board(str(tmp_path / "away.toml"))


def test_the_command_shows_all_and_one_with_sources() -> None:
    everything = run()
    assert [
        name for name in (*BOARDS, *CATALOGUE.links, *CATALOGUE.batteries) if name not in everything
    ] == []
    one = run("--board", "raspberry-pi-zero-2w")
    assert "power.idle" in one
    assert "published" in one
    assert "https://www.cnx-software.com/2021/12/09/raspberry-pi-zero-2-w-power-consumption/" in one
    assert "link lte-m: " in one


def test_the_command_prints_json() -> None:
    assert set(json.loads(run("--json"))["boards"]) == set(BOARDS)
    idle = json.loads(run("--json", "--board", "raspberry-pi-4b"))["power"]["idle"]
    assert (idle["low"], idle["high"], idle["unit"], idle["provenance"]) == (1.6, 3.06, "W", "published")


def test_an_unknown_board_is_told_the_nearest_names() -> None:
    result = CliRunner().invoke(main, ["profiles", "--board", "raspbery-pi-4"])
    assert result.exit_code == 2
    assert "edge-fleet: there is no board 'raspbery-pi-4'; did you mean raspberry-pi-4b" in result.output
