"""Every store of a device on a disk that is full, and a start on one that is read-only: real file systems."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edge_client.adapters.conditions.traffic import MonthBytes
from edge_client.adapters.status_file import STATUS_FILE
from edge_client.cli import main
from edge_client.core.events import (
    Fate,
    Interrupted,
    ModelMeasured,
    SaveCheckpoint,
    SaveConflict,
    SaveMeasure,
    SaveObject,
    Score,
    SettleUpdate,
)
from edge_client.device_folder import KEY_FILE
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.join import Join
from edge_client.runtime import files
from edge_client.runtime.disk import disk_fault
from tests.builders import ChainMaker, make_genesis
from tests.device_world import DeviceWorld
from tests.real_disk import RealDisk

ROOM_BYTES = 8 << 20
LARGE = bytes(1 << 16)
WAIT_S = 60


def command(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    folder = tmp_path / "small"
    folder.mkdir()
    if not command("mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "none", str(folder)):
        pytest.skip("cannot mount a small disk here (needs root and the right to mount)")
    yield folder
    command("umount", "-l", str(folder))


def fill(folder: Path) -> Path:
    """A file that takes all the space there is."""
    path = folder / "filler"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return path
    finally:
        os.close(descriptor)


def world_on(folder: Path) -> DeviceWorld:
    """A device that trains its first round."""
    chain = ChainMaker(make_genesis())
    world = DeviceWorld(chain, disk=RealDisk(folder / "state", chain.chain_id))
    return world.join()


def the_head(world: DeviceWorld) -> None:
    world.chain.add([], time_s=100)
    world.publish_head()


def settled(world: DeviceWorld) -> None:
    (root,) = world.disk.updates
    world.disk.save(SettleUpdate(root, Fate.EXPIRED, None, 1, 1))


def a_checkpoint(world: DeviceWorld) -> None:
    world.disk.save(SaveCheckpoint(Interrupted(world.orders[-1], bytes(32))))


def a_measure(world: DeviceWorld) -> None:
    score = Score(0.5, 0.5)
    world.disk.save(SaveMeasure(ModelMeasured(world.orders[-1], 1, score, score, score)))


STORES: dict[str, Callable[[DeviceWorld], object]] = {
    "chain": the_head,
    "update": lambda world: world.finish_training(),
    "settled": settled,
    "object": lambda world: world.disk.save(SaveObject(ObjectKind.MODEL, bytes(31) + b"x", LARGE)),
    "conflict": lambda world: world.disk.save(SaveConflict("why", LARGE)),
    "checkpoint": a_checkpoint,
    "measure": a_measure,
}


@pytest.mark.parametrize("store", STORES)
def test_a_full_disk_ends_the_process_and_loses_nothing(small: Path, store: str) -> None:
    world = world_on(small)
    if store == "settled":
        world.finish_training()
    before = world.disk.stored
    filler = fill(small)
    with pytest.raises((OSError, sqlite3.OperationalError)) as failed:
        STORES[store](world)
    said = disk_fault(failed.value)
    assert said is not None
    assert "make room or mend it, then start again" in said
    filler.unlink()
    assert isinstance(world.disk, RealDisk)
    world.disk.real.close()
    assert RealDisk(small / "state", world.chain.chain_id).stored == before


def test_status_and_bytes_of_the_month_stay_what_they_were(small: Path) -> None:
    month = MonthBytes(small)
    month.count("2026-01", 1, 1, save=True)
    files.show(small / STATUS_FILE, b"old")
    filler = fill(small)
    for write in (
        lambda: files.show(small / STATUS_FILE, LARGE),
        lambda: month.count("2026-01", 1_000_000, 0),
    ):
        with pytest.raises((OSError, sqlite3.OperationalError)) as failed:
            write()
        assert disk_fault(failed.value) is not None
    filler.unlink()
    assert (small / STATUS_FILE).read_bytes() == b"old"
    assert month.count("2026-01", 1, 1) == 2
    month.close()


READING = ("status", "why", "history", "verify", "doctor", "data check")
WRITING = ("pause", "resume", "opt-out", "calibrate --seconds 1")


@pytest.fixture
def device(small: Path) -> Path:
    """A new device on the small disk."""
    np.savez(small / "data.npz", x=np.zeros((8, 3), np.uint8), y=np.arange(8) % 2)
    join = Join(("mqtt://127.0.0.1:1",), bytes(range(32))).text()
    state = small / "state"
    made = ["init", "--join", join, "--state", str(state), "--data", f"npz:{small / 'data.npz'}"]
    assert CliRunner().invoke(main, made).exit_code == 0
    assert (state / KEY_FILE).exists()
    return state


def said_by(words: str, state: Path) -> Result:
    return CliRunner().invoke(main, [*words.split(), "--state", str(state)])


def one_sentence(result: Result) -> bool:
    """Nothing that this program did not mean to say."""
    ended = result.exception is None or isinstance(result.exception, SystemExit)
    return ended and "Traceback" not in result.stderr


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    assert command("mount", "-o", "remount,ro", str(folder))
    yield
    assert command("mount", "-o", "remount,rw", str(folder))


def test_a_read_only_file_system_is_said_at_the_start(small: Path, device: Path) -> None:
    with read_only(small):
        said = said_by("run", device)
    assert said.exit_code == 3
    assert (
        "the disk does not take what must be kept (Read-only file system); make room or mend it"
        in said.stderr
    )


def test_a_full_disk_at_the_start_is_no_damaged_database(small: Path, device: Path) -> None:
    """2 would be for ever: systemd does not start the service again after it."""
    filler = fill(small)
    said, looked = said_by("run", device), said_by("doctor", device)
    filler.unlink()
    assert said.exit_code == 3
    assert "make room or mend it, then start again" in said.stderr
    assert "move agent.db" not in looked.stdout
    assert "takes no writes" in looked.stdout or "MiB free" in looked.stdout


@pytest.mark.parametrize("words", [*READING, *WRITING])
def test_no_command_trips_over_a_read_only_or_full_disk(small: Path, device: Path, words: str) -> None:
    with read_only(small):
        assert one_sentence(said_by(words, device))
    filler = fill(small)
    assert one_sentence(said_by(words, device))
    filler.unlink()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(("call", "is_running"), [("fsync", False), ("/^rename", True)])
def test_a_disk_that_becomes_read_only_ends_the_agent(device: Path, call: str, is_running: bool) -> None:
    """As the kernel does to a failing card; `mount` itself would refuse while files are open. The first
    `fsync` is that of the start, the first file that is renamed that of the status."""
    refused = f"inject={call}:error=EROFS:when=1+"
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", refused]
    agent = [*strace, sys.executable, "-m", "edge_client.cli", "run", "--state", str(device)]
    ended = subprocess.run(agent, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert ended.returncode == 3
    assert ("started" in ended.stderr) == is_running
    assert ended.stderr.endswith("); make room or mend it, then start again\n")
    assert "Traceback" not in ended.stderr
