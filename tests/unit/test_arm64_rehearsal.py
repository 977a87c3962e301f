"""What `make test-arm64` keeps between runs, and when it does not; the rehearsal itself runs by hand."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from scripts.arm64 import rehearse, wheels
from scripts.arm64.debian_root import BOARDS, SUITE, DebianRoot

BOARD = BOARDS["armhf"]


class ProgramStartedError(Exception):
    """A program was started."""


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    def ran(*command: object, **_options: object) -> None:
        raise ProgramStartedError(command)

    monkeypatch.setattr("subprocess.run", ran)


def wheel_that_needs(folder: Path, *requirements: str) -> Path:
    path = folder / "dist" / "edge_client-0.1.0-py3-none-any.whl"
    path.parent.mkdir(exist_ok=True)
    with ZipFile(path, "w") as archive:
        lines = ["Name: edge-client", *(f"Requires-Dist: {one}" for one in requirements)]
        archive.writestr("edge_client-0.1.0.dist-info/METADATA", "\n".join(lines))
    return path


@pytest.mark.usefixtures("no_programs")
def test_wheels_are_fetched_again_when_the_dependencies_change(tmp_path: Path) -> None:
    wheel = wheel_that_needs(tmp_path, "click")
    with pytest.raises(ProgramStartedError):
        wheels.fetch_wheels(BOARD, wheel)
    kept = tmp_path / f"wheels-{BOARD.arch}"
    kept.mkdir()
    (kept / "made-for.txt").write_text(wheels.made_for(BOARD, wheel))
    assert wheels.fetch_wheels(BOARD, wheel) == kept
    with pytest.raises(ProgramStartedError):
        wheels.fetch_wheels(BOARD, wheel_that_needs(tmp_path, "click", "numpy"))
    assert not kept.exists()


@pytest.mark.usefixtures("no_programs")
def test_a_root_is_made_again_when_its_packages_change(tmp_path: Path) -> None:
    root = DebianRoot(BOARD, tmp_path)
    root.path.mkdir()
    (root.path / "unpacked").write_text(root.made_of())
    root.make()
    assert SUITE in root.made_of()
    other = DebianRoot(replace(BOARD, packages=(*BOARD.packages, "python3-more")), tmp_path)
    with pytest.raises(ProgramStartedError):
        other.make()
    assert not (root.path / "unpacked").exists()


def test_an_unknown_board_is_a_mistake_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rehearse", "riscv64"])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert rehearse.main() == rehearse.MISTAKE
    assert capsys.readouterr().err == "no such board: riscv64; there are arm64, armhf\n"
