"""A clock that is wrong at boot, and one that jumps while the agent runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from edge_client.adapters.device_database import create_databases
from edge_client.config import device_toml, read_config
from edge_client.core.agent import Phase
from edge_client.core.verify import DAY_MS
from edge_client.device_folder import CONFIG_FILE, KEY_FILE
from edge_client.protocol.join import Join
from edge_client.runtime import clock
from edge_client.runtime.keystore import create_seed
from edge_client.runtime.notifier import Notifier
from edge_client.service import run_device
from tests.builders import ChainMaker
from tests.device_world import NOW_MS, DeviceWorld

YEAR_MS = 365 * DAY_MS
CHAIN = bytes(range(32))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A device whose server nobody runs."""
    np.savez(tmp_path / "data.npz", x=np.zeros((8, 3), np.uint8), y=np.arange(8) % 2)
    join = Join(("mqtt://127.0.0.1:1",), CHAIN).text()
    (tmp_path / CONFIG_FILE).write_text(device_toml(join, "npz:data.npz"))
    create_seed(tmp_path / KEY_FILE)
    create_databases(tmp_path)
    return tmp_path


class Watcher(Notifier):
    """Counts turns of the loop; sets the clock back in the third, and stops the agent soon after."""

    look_ms_max = 10

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.said_stopping: list[int] = []
        self.now_ms = NOW_MS + YEAR_MS

    def alive(self) -> None:
        self.turns += 1
        if self.turns == 3:
            self.now_ms = NOW_MS
        if self.turns == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    def stopping(self) -> None:
        self.said_stopping.append(self.turns)


def test_a_clock_set_back_while_running_makes_the_agent_begin_anew(
    state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = Watcher()
    monkeypatch.setattr(clock, "_wall_ms", lambda: watcher.now_ms)
    run_device(state, read_config(state), watcher)
    assert [record.getMessage().split()[0] for record in caplog.records].count("clock_set_back") == 1
    assert watcher.turns >= 10
    assert len(watcher.said_stopping) == 1, "the service manager is told of the last end only"


def test_a_clock_that_begins_in_1970_keeps_nobody_from_taking_part() -> None:
    world = DeviceWorld(ChainMaker())
    world.now_ms = 0
    world.join()
    root = world.finish_training()
    world.now_ms = NOW_MS  # the time is known at last
    world.acknowledge()
    world.chain.add([world.offers[0].head], time_s=100)
    world.publish_head()
    world.answer()
    assert root in world.disk.fates


def test_a_clock_a_year_ahead_ends_trust_only_until_it_is_right() -> None:
    world = DeviceWorld(ChainMaker())
    world.join()
    world.now_ms = NOW_MS + YEAR_MS
    world.restart()
    world.link_up()
    world.answer()
    assert world.phase() == Phase.NEED_CHECKPOINT
    world.now_ms = NOW_MS
    world.restart()  # what the shell does when the clock is set back far
    world.link_up()
    world.answer()
    assert world.phase() == Phase.TRAINING
