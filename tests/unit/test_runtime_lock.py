"""Two processes never work in one state folder."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from edge_client.runtime.lock import LOCK_FILE, AlreadyRunningError, is_running, single_instance


def test_a_second_one_is_told_who_and_where(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    sentence = f"another validator works in {folder}; stop it first"
    with (
        single_instance(folder, "validator"),
        pytest.raises(AlreadyRunningError) as error,
        single_instance(folder, "validator"),
    ):
        pass
    assert str(error.value) == sentence


def test_the_lock_is_free_when_its_holder_is_gone(tmp_path: Path) -> None:
    holder = (
        "import os, pathlib, signal, sys\n"
        "from edge_client.runtime.lock import single_instance\n"
        "with single_instance(pathlib.Path(sys.argv[1]), 'device'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", holder, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert (tmp_path / "lock").exists()
    with single_instance(tmp_path, "device"):
        pass


def test_whether_it_runs_is_seen_without_a_trace(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert not is_running(folder)
    assert not folder.exists()
    with single_instance(folder, "device"):
        assert is_running(folder)
    assert not is_running(folder)


def test_who_looks_keeps_nobody_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with single_instance(tmp_path, "device"):
        pass
    looker = (tmp_path / LOCK_FILE).open("r")
    fcntl.flock(looker, fcntl.LOCK_SH)
    flock = fcntl.flock

    def looks_away(file: int, kind: int) -> None:
        flock(file, kind)
        if kind == fcntl.LOCK_SH | fcntl.LOCK_NB:
            looker.close()

    monkeypatch.setattr(fcntl, "flock", looks_away)
    with single_instance(tmp_path, "device"):
        pass
