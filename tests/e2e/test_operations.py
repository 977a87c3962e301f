"""What happens to an operator: two processes on one folder, a full disk, a restored backup."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_profiles.demo.processes import program
from tests.e2e.fault_drills import Witness
from tests.e2e.running_fleet import VALIDATORS, RunningFleet

VICTIM = 1
ROOM_BYTES = 32 << 20
STOPS_S_MAX = 180


@pytest.mark.parametrize("who", ["validator", "device"])
def test_a_second_process_on_the_same_folder_ends_at_once(fleet: RunningFleet, who: str) -> None:
    if who == "validator":
        folder = fleet.stage.validator_folder(0)
        command, name = [program("edge-broker"), "validator", str(folder)], "another validator works in"
    else:
        folder = fleet.stage.device_folders[0]
        command, name = (
            [program("edge-client"), "run", "--state", str(folder)],
            "another edge-client works in",
        )
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert name in second.stderr
    assert second.stderr.count("\n") == 1
    fleet.wait_next_round()


def test_a_restored_backup_of_a_validator_signs_nothing_until_told_to_rejoin(
    fleet: RunningFleet, tmp_path: Path
) -> None:
    """Its log is older than what it has signed since, and the network shows it."""
    witness, victim = Witness(fleet), fleet.validators[VICTIM]
    state, backup = fleet.stage.validator_folder(VICTIM) / "state", tmp_path / "backup"
    victim.kill()
    shutil.copytree(state, backup)
    starts = victim.log_file.read_text().count("phase=signing")
    victim.start()
    fleet.wait(lambda: victim.log_file.read_text().count("phase=signing") > starts, "it signs again")
    for _ in range(3):
        fleet.wait_next_round()
    victim.kill()
    shutil.rmtree(state)
    shutil.copytree(backup, state)
    for why in ("it has signed what its log does not hold", "the key has signed with another log"):
        stopped = subprocess.run(
            victim.command, capture_output=True, text=True, check=False, timeout=STOPS_S_MAX
        )
        assert stopped.returncode == 4
        assert why in stopped.stderr
        assert "--rejoin" in stopped.stderr
    usual, victim.command = victim.command, [*victim.command, "--rejoin"]
    victim.start()
    fleet.wait(lambda: fleet.phase(VICTIM) == "signing", "it has rejoined")
    victim.kill()
    victim.command = usual
    victim.start()
    fleet.wait_next_round()
    witness.look()
    assert not any(" evidence " in validator.log_file.read_text() for validator in fleet.validators)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Move the folder's content to a file system with little room, and back afterwards."""
    size_bytes = ROOM_BYTES + sum(path.stat().st_size for path in folder.rglob("*"))
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", str(folder)]
    try:
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip("cannot mount a small disk here (needs root and the right to mount)")
        try:
            shutil.copytree(aside, folder, dirs_exist_ok=True)
            yield
            shutil.rmtree(aside)
            shutil.copytree(folder, aside)
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        folder.rmdir()
        aside.rename(folder)


def fill(folder: Path) -> Path:
    """A file that takes all the space there is."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_validator_whose_disk_is_full_ends_loudly_and_comes_back(fleet: RunningFleet) -> None:
    witness, victim = Witness(fleet), fleet.validators[VICTIM]
    state = fleet.stage.validator_folder(VICTIM) / "state"
    victim.kill()
    try:
        with small_disk(state):
            try:
                live_through_a_full_disk(fleet, witness, state)
            finally:
                victim.kill()
    finally:
        victim.start()
    fleet.wait_next_round()
    witness.look()


def live_through_a_full_disk(fleet: RunningFleet, witness: Witness, state: Path) -> None:
    victim = fleet.validators[VICTIM]
    others = [index for index in range(VALIDATORS) if index != VICTIM]
    victim.start()
    fleet.wait_next_round()
    witness.look()

    filler, process = fill(state), victim.process
    assert process is not None
    victim.process = None  # from now on it may end
    fleet.wait(lambda: process.poll() is not None, "the validator without a disk ends")
    last = victim.log_file.read_text().splitlines()[-1]
    assert process.returncode == 3, last
    assert last.startswith("edge-broker: the disk does not take what must be kept")
    open_now = max(fleet.round(index) for index in others)
    fleet.wait(lambda: all(fleet.round(i) > open_now for i in others), "the others go on")

    filler.unlink()
    victim.start()
    fleet.wait_next_round()
    witness.look()
