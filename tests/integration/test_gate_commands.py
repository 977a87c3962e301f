"""`why`, `pause` and `resume` on a device that never ran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_client.core.conditions.limits import GATES
from tests.owned_device import edge_client, init_device


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return init_device(tmp_path / "state", bytes(range(32)))


class TestGates:
    def test_why_says_one_line_for_each_gate(self, state: Path) -> None:
        result = edge_client("why", "--state", state)
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert [line.split()[0] for line in lines[:-1]] == list(GATES)
        found = json.loads(edge_client("why", "--state", state, "--json").stdout)
        assert [one["gate"] for one in found] == list(GATES)

    def test_a_pause_is_told_and_ends(self, state: Path) -> None:
        assert "until 2" in edge_client("pause", "2h", "--state", state).stdout
        (owner,) = [
            line for line in edge_client("why", "--state", state).stdout.splitlines() if "owner " in line
        ]
        assert "CLOSED paused" in owner
        assert "; opens 2" in owner
        assert "`edge-client resume`" in edge_client("pause", "--state", state).stdout
        assert edge_client("resume", "--state", state).stdout == "resumed\n"
        assert edge_client("resume", "--state", state).stdout == "it was not paused\n"

    def test_status_names_the_closed_ones(self, state: Path) -> None:
        edge_client("pause", "--state", state)
        (line,) = [
            line
            for line in edge_client("status", "--state", state).stdout.splitlines()
            if line.startswith("gates")
        ]
        assert "owner closed (paused, needs enabled, not paused)" in line
        found = json.loads(edge_client("status", "--state", state, "--json").stdout)["gates"]
        assert [one["gate"] for one in found] == list(GATES)

    @pytest.mark.parametrize("duration", ["2", "h", "-1h", "0m", "99999999d", "2 hours"])
    def test_durations_that_are_none(self, state: Path, duration: str) -> None:
        result = edge_client("pause", "--state", state, "--", duration)
        assert (result.exit_code, f"'{duration}'" in result.stderr) == (2, True)

    @pytest.mark.parametrize("command", ["pause", "resume", "why"])
    def test_there_must_be_a_device(self, tmp_path: Path, command: str) -> None:
        assert edge_client(command, "--state", tmp_path).exit_code == 2
        assert list(tmp_path.iterdir()) == []
