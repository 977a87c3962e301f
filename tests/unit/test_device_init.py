"""`edge-client init` at a terminal, and without one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_client.cli import main
from edge_client.config import read_config
from edge_client.device_folder import CONFIG_FILE, KEY_FILE
from edge_client.protocol.join import Join

JOIN = Join(("mqtt://one",), bytes(range(32))).text()


def at_a_terminal(folder: Path, answers: list[str], *arguments: str) -> tuple[int, str]:
    """Run `init` on a terminal of its own; exit code, and what the person saw."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edge_client.cli", "init", *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder) as process:
        os.close(theirs)
        os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
        seen = b""
        try:
            while piece := os.read(ours, 4096):
                seen += piece
        except OSError:  # Linux ends a terminal that nobody holds any more so
            pass
        code = process.wait()
    os.close(ours)
    return code, seen.decode()


def test_it_asks_for_what_it_was_not_told(tmp_path: Path) -> None:
    code, seen = at_a_terminal(tmp_path, [JOIN, "me", "npz:data.npz"])
    assert code == 0, seen
    assert seen.index("Join string") < seen.index("Folder of the device") < seen.index("Training data")
    config = read_config(tmp_path / "me")
    assert config.chain.parsed().text() == JOIN
    assert config.own_data(tmp_path).source.text == f"npz:{tmp_path / 'data.npz'}"
    assert (tmp_path / "me" / KEY_FILE).exists()


def test_a_wrong_answer_is_asked_again_at_once(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / CONFIG_FILE).write_text("mine")
    code, seen = at_a_terminal(tmp_path, [JOIN[1:], JOIN, "old", "new", "npz:data.npz"])
    assert code == 0, seen
    assert seen.count("Join string") == 2
    assert "holds a device already" in seen
    assert (tmp_path / "old" / CONFIG_FILE).read_text() == "mine"


def test_what_was_told_is_not_asked(tmp_path: Path) -> None:
    code, seen = at_a_terminal(tmp_path, ["npz:data.npz"], "--join", JOIN, "--state", "me")
    assert code == 0, seen
    assert "Join string" not in seen


@pytest.mark.parametrize("missing", ["--join", "--state", "--data"])
def test_without_a_terminal_nothing_is_asked(tmp_path: Path, missing: str) -> None:
    options = {"--join": JOIN, "--state": str(tmp_path / "me"), "--data": "npz:data.npz"}
    del options[missing]
    result = CliRunner().invoke(main, ["init", *(word for pair in options.items() for word in pair)])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert f"{missing} is missing" in result.stderr
    assert not (tmp_path / "me").exists()


@pytest.mark.parametrize("wrong", ["", "hello", "fl1:abc"])
def test_what_is_no_join_string_is_told_where_to_find_one(tmp_path: Path, wrong: str) -> None:
    told = ["init", "--join", wrong, "--state", str(tmp_path / "me"), "--data", "npz:data.npz"]
    result = CliRunner().invoke(main, told)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "starts with 'flchain:'" in result.stderr
    assert "join.txt" in result.stderr
    assert not (tmp_path / "me").exists()


def test_data_that_are_not_there_yet_are_said_and_taken(tmp_path: Path) -> None:
    def told(name: str, data: Path) -> str:
        arguments = ["init", "--join", JOIN, "--state", str(tmp_path / name), "--data", f"npz:{data}"]
        return CliRunner().invoke(main, arguments, catch_exceptions=False).stdout

    data = tmp_path / "data.npz"
    assert f"npz:{data} is not there yet" in told("early", data)
    data.touch()
    assert "not there" not in told("late", data)
