"""The agent and its runtime in a process that may set no priority, processors, limits or locked memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edge_client.cli import main
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.protocol.join import Join
from tests.integration.denied_calls import CALLS

WAIT_S_MAX = 60
DENIED = [sys.executable, "-m", "tests.integration.denied_calls"]
pytestmark = pytest.mark.skipif(os.uname().machine not in CALLS, reason="no numbers of system calls for it")


def test_training_needs_no_privilege(tmp_path: Path) -> None:
    graph = tmp_path / "graph.tflite"
    graph.write_bytes(make_trainable(dense_net((3, 4, 2), 1), TrainingOptions(batch=4)))
    done = subprocess.run(
        [*DENIED, "tests.integration.litert_run", str(graph), "2"], capture_output=True, text=True, check=True
    )
    assert len(json.loads(done.stdout)["losses"]) == 2


def test_the_agent_starts_and_ends_without_a_word_about_it(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.zeros((8, 3), np.uint8), y=np.arange(8) % 2)
    join, state = Join(("mqtt://127.0.0.1:1",), bytes(32)).text(), tmp_path / "state"
    made = ["init", "--join", join, "--state", str(state), "--data", f"npz:{tmp_path / 'data.npz'}"]
    assert CliRunner().invoke(main, made).exit_code == 0
    command = [*DENIED, "edge_client.cli", "run", "--state", str(state)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "started device=" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(WAIT_S_MAX) == 0, rest
    assert "ermi" not in rest, "neither 'Permission denied' nor 'Operation not permitted'"
