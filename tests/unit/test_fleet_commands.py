"""firmware_profiles/commands: a mistake is one sentence and an exit code (a stop: test_fleet_stopping.py)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.cli import main
from firmware_profiles.commands import keeping
from firmware_profiles.commands.choosing import chosen
from firmware_profiles.commands.failing import MISTAKE
from firmware_profiles.report.page import charts_of_run
from tests.run_records import a_record

pytest.importorskip("matplotlib")


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    """A folder that cannot be made."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "folder"


@pytest.mark.parametrize(
    "command", [["simulate", "home"], ["compare", "home"], ["emulate", "home"], ["record"]]
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(command: list[str], blocked: Path) -> None:
    place = ["-o", str(blocked / "x.npz")] if command == ["record"] else ["--out", str(blocked / "x")]
    done = CliRunner().invoke(main, [*command, *place])
    assert done.exit_code == MISTAKE
    assert "cannot write" in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_a_server_that_is_not_there_and_a_moment_that_is_past_are_told_before_the_work(
    tmp_path: Path,
) -> None:
    asked = ["emulate", "home", "--out", str(tmp_path / "new")]
    nobody = CliRunner().invoke(main, [*asked, "--mqtt", "mqtt://127.0.0.1:1"])
    assert nobody.exit_code == MISTAKE
    assert "no MQTT server answers at mqtt://127.0.0.1:1" in nobody.output
    past = CliRunner().invoke(main, [*asked, "--mqtt", "mqtt://127.0.0.1:1", "--at", "5"])
    assert past.exit_code == MISTAKE
    assert "--at 5 is past" in past.output
    assert not (tmp_path / "new").exists()


def test_the_seed_that_is_asked_for_is_that_of_boards_weather_and_owners_too() -> None:
    given = chosen("farm-solar", {"devices": None, "seed": 7})
    assert (given.seed, given.fleet.seed) == (7, 7)
    left_out = chosen("farm-solar", {"devices": None, "seed": None})
    assert left_out.seed == left_out.fleet.seed == read_catalogue().fleet("farm-solar").seed


def test_a_disk_that_is_full_at_the_end_does_not_take_the_result(
    blocked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        keeping.keep(replace(a_record(), rounds=()), blocked, None, "the result")
    said = capsys.readouterr()
    assert ended.value.code == MISTAKE
    assert said.out == "the result\n"
    assert "cannot write" in said.err


def test_a_rehearsal_leaves_its_plots_as_files_when_asked(tmp_path: Path) -> None:
    record = replace(a_record(), traces=(), rounds=(), groups=(), participation=(), labels={})
    keeping.keep(record, tmp_path / "run", tmp_path / "plots", "the result")
    drawn = {one.stem for one in (tmp_path / "plots").iterdir()}
    assert drawn == {one.name for one in charts_of_run(record)} == {"bytes"}


def test_the_command_that_is_told_has_what_matters_and_no_place_on_a_disk() -> None:
    told = []

    @click.command()
    @click.argument("fleet")
    @click.option("--hours", default=24.0)
    @click.option("--seed", type=int)
    @click.option("--mqtt", multiple=True)
    @click.option("--out")
    def rehearse(**_options: object) -> None:
        told.append(keeping.command_line())

    asked = ["my fleet.toml", "--hours", "6", "--mqtt", "a", "--mqtt", "b", "--out", "/home/me/x"]
    assert CliRunner().invoke(rehearse, asked).exit_code == 0
    assert told == ["edge-fleet rehearse 'my fleet.toml' --hours 6 --mqtt a --mqtt b"]


def test_a_shipped_fleet_is_copied_to_begin_ones_own_with_and_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    asked = ["fleets", "farm-solar", "--copy", str(mine)]
    assert CliRunner().invoke(main, asked).exit_code == 0
    assert read_catalogue().fleet(str(mine)) == read_catalogue().fleet("farm-solar")
    again = CliRunner().invoke(main, asked)
    assert again.exit_code == MISTAKE
    assert "--copy takes a new file" in again.output
    assert CliRunner().invoke(main, ["fleets", "--copy", str(mine)]).exit_code == MISTAKE


def test_the_help_shows_the_way_to_a_fleet() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    places = [
        text.index(f"edge-fleet {name}") for name in ("profiles", "fleets", "simulate", "compare", "emulate")
    ]
    assert places == sorted(places)
    assert "\\b" not in text
    assert "  3. edge-fleet simulate home " in text
