"""The owner's command: run whole, bounded in time, never a reason for the agent to stop."""

from __future__ import annotations

import os
import select
import sys
import threading
from pathlib import Path

import pytest

from edge_client.adapters.hook import Hook, parse_command

WAIT_S = 60


@pytest.fixture
def said() -> list[str]:
    return []


def hook(said: list[str], folder: Path, *words: str, seconds_max: float = WAIT_S) -> Hook:
    return Hook(words, folder, said.append, seconds_max)


def test_words_are_cut_as_a_shell_cuts_them_and_facts_are_filled_in(tmp_path: Path, said: list[str]) -> None:
    words = parse_command(
        f"{sys.executable} -c 'import sys; open(sys.argv[1], \"w\").write(sys.argv[2])' out {{round}}"
    )
    hook(said, tmp_path, *words).run({"round": "7; rm -rf"})
    assert (tmp_path / "out").read_text() == "7; rm -rf", "no shell has seen it"
    assert said == []


def test_no_command_is_no_hook(tmp_path: Path, said: list[str]) -> None:
    hook(said, tmp_path, *parse_command("")).run({})
    assert said == []


@pytest.mark.parametrize("text", ["'open", "   "])
def test_commands_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="model_updated"):
        parse_command(text)


def test_a_failure_is_said_once_until_it_goes_well_again(tmp_path: Path, said: list[str]) -> None:
    code = "import pathlib, sys; sys.exit(0 if pathlib.Path('good').exists() else 3)"
    one = hook(said, tmp_path, sys.executable, "-c", code)
    for _ in range(3):
        one.run({})
    assert said == [f"{sys.executable} ended with 3"]
    (tmp_path / "good").touch()
    one.run({})
    (tmp_path / "good").unlink()
    one.run({})
    assert len(said) == 2


def test_a_program_that_is_not_there(tmp_path: Path, said: list[str]) -> None:
    hook(said, tmp_path, "no-such-program-anywhere").run({})
    assert said == ["no-such-program-anywhere cannot be started: No such file or directory"]


def test_what_takes_too_long_is_killed_with_its_children(tmp_path: Path, said: list[str]) -> None:
    """The child holds the writing end of a pipe, whose end is seen only when the child is dead as well."""
    os.mkfifo(tmp_path / "alive")
    reading = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    hook(said, tmp_path, "sh", "-c", "sleep 3600 > alive & wait", seconds_max=1).run({})
    assert said == ["sh took longer than 1 s and was killed"]
    ready, _, _ = select.select([reading], [], [], WAIT_S)
    assert ready
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_stopping_kills_what_runs_and_nothing_is_run_after(tmp_path: Path, said: list[str]) -> None:
    os.mkfifo(tmp_path / "started")
    one = hook(said, tmp_path, "sh", "-c", "echo > started; exec sleep 3600")
    thread = threading.Thread(target=one.run, args=({},))
    thread.start()
    (tmp_path / "started").read_text()
    one.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    one.run({})
    assert said == []
