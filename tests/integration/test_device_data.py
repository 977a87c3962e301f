"""A device whose data are on a disk that is mounted later, as a real process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_client.device_folder import CONFIG_FILE
from tests.integration.test_calibrate_command import graph, state

__all__ = ["graph", "state"]


@pytest.mark.parametrize("data", ["missing", "empty", "wrong"])
def test_a_missing_source_is_waited_for_and_a_wrong_one_is_a_mistake(state: Path, data: str) -> None:
    config = state / CONFIG_FILE
    config.write_text(re.sub("source = .*", 'source = "npz:x.npz"', config.read_text()))
    if data == "wrong":
        np.savez(state / "x.npz", x=np.zeros((5, 7), np.uint8), y=np.zeros(5, np.int64))
    if data == "empty":
        np.savez(state / "x.npz", x=np.zeros((0, 6), np.uint8), y=np.zeros(0, np.int64))
    command = [sys.executable, "-m", "edge_client.cli", "run", "--state", str(state)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while line := process.stderr.readline():
            said += line
            if "started" in line:
                process.send_signal(signal.SIGTERM)
    if data != "wrong":
        sentence = "x.npz is not there yet" if data == "missing" else "x.npz holds no samples"
        assert sentence in said.partition("started")[0]
        assert process.returncode == 0, "it went on until it was told to stop"
    else:
        assert "the model takes (6,)" in said
        assert process.returncode == 2
