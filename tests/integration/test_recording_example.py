"""The worked example of docs/DATA.md: a recorder goes on while the device learns."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_client import Model
from tests.model_life import CLASSES, WAIT_S, Life
from tests.owned_device import edge_client, facts

DATA_MD = Path(__file__).resolve().parents[2] / "docs" / "DATA.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", DATA_MD.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
(RECORDER,) = [text for kind, text in BLOCKS if kind == "python" and text.startswith("# recorder.py")]
(DATA_KEYS,) = [text for kind, text in BLOCKS if kind == "toml" and text.startswith("[data]")]
PAUSE_S = 0.001
FIRST_LINES = 300


class Recorder:
    """A process of its own that goes on writing its table."""

    def __init__(self, folder: Path) -> None:
        program, self.table = folder / "recorder.py", folder / "readings.csv"
        program.write_text(RECORDER, encoding="utf-8")
        self.process = subprocess.Popen([sys.executable, str(program), str(self.table), str(PAUSE_S)])

    def lines(self) -> int:
        """How long the table is."""
        return len(self.table.read_text(encoding="utf-8").splitlines())

    def wait_for(self, lines: int) -> None:
        """Until the table is that long; `tail` ends when the recorder does."""
        command = ["tail", "-n", "+1", "-F", f"--pid={self.process.pid}", str(self.table)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as tail:
            assert tail.stdout is not None
            assert all(tail.stdout.readline() for _ in range(lines)), "the recorder ended"
            tail.kill()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    one = Recorder(tmp_path)
    yield one
    one.process.kill()
    one.process.wait(WAIT_S)


def test_every_round_sees_what_was_recorded_meanwhile(recorder: Recorder, tmp_path: Path) -> None:
    recorder.wait_for(FIRST_LINES)
    life = Life(tmp_path, f"csv:{recorder.table}", DATA_KEYS.removeprefix("[data]\n"))
    checked = facts(edge_client("data", "check", "--state", life.state, "--json"))
    assert len(checked["labels"]) == CLASSES
    assert checked["rejected"] <= 1, "at most the line that is being written"
    first = life.round()
    recorder.wait_for(recorder.lines() + FIRST_LINES)
    assert life.round().samples > first.samples, "it was recorded while the round was trained"
    for _ in range(3):
        life.round()
    shown = facts(edge_client("status", "--state", life.state, "--json"))["hold_out"]
    assert shown["accuracy_joined"] > shown["accuracy_before_joining"] + 0.2
    assert edge_client("export", "--state", life.state, "-o", tmp_path / "fan.tflite").exit_code == 0
    assert Model(tmp_path / "fan.tflite").predict([40.0] * 6).label == 0
    life.disk.real.close()
