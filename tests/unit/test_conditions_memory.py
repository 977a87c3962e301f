"""The agent's own memory: limits, what is done when one is passed, and how a killed agent is told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_client.adapters.conditions.own_memory import read_kills, read_memory
from edge_client.adapters.memory_guard import MemoryGuard, ShortOfMemoryError
from edge_client.adapters.training_marker import MARKER_FILE, Death, TrainingMarker
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.memory import (
    MB,
    SPARE_BYTES_MIN,
    Held,
    Kills,
    MemoryReading,
    Short,
    own_bytes_max,
    shortage,
    why_it_ended,
)
from edge_client.core.conditions.readings import NOT_READ, Reading, Unknown

HELD = Held(samples=1000, sample_bytes=10_000, batch=10)


@pytest.mark.parametrize(
    ("owner_mb", "total", "limit_mb"),
    [
        (None, 512 << 20, 150),
        (None, 300 * MB, 120),
        (None, 1000 * MB, 400),
        (None, 8000 * MB, 512),
        (None, NOT_READ, 150),
        (64, 512 << 20, 64),
    ],
)
def test_the_limit_is_the_owners_or_goes_by_the_board(
    owner_mb: int | None, total: Reading[int], limit_mb: int
) -> None:
    assert own_bytes_max(owner_mb, total) == limit_mb * MB


@pytest.mark.parametrize("wrong", [31, 0, -1, (1 << 20) + 1])
def test_limits_that_make_no_sense_are_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match="memory_mb_max"):
        Limits(memory_mb_max=wrong)


class TestShortage:
    def test_there_is_enough(self) -> None:
        edge = MemoryReading(100 * MB, 512 * MB, SPARE_BYTES_MIN, SPARE_BYTES_MIN)
        assert shortage(edge, 100 * MB, HELD) is None
        assert shortage(MemoryReading(), 0, HELD) is None, "unknown says nothing"

    def test_fewer_samples_first_at_most_half(self) -> None:
        short = shortage(MemoryReading(own=101 * MB), 100 * MB, HELD)
        assert short == Short("memory: the agent takes 101 MB, at most 100 MB", 500)
        short = shortage(MemoryReading(own=108 * MB), 100 * MB, HELD)
        assert short is not None
        assert short.samples_max == 200, "800 samples are the 8 MB that are too many"

    def test_what_samples_cannot_give_back_ends_the_round(self) -> None:
        for reading in (
            MemoryReading(own=110 * MB),
            MemoryReading(own=1, available=SPARE_BYTES_MIN - 10 * MB),
            MemoryReading(own=1, group_left=-1),
        ):
            short = shortage(reading, 100 * MB, HELD)
            assert short is not None
            assert short.samples_max is None
        least = shortage(MemoryReading(own=101 * MB), 100 * MB, Held(19, 10 * MB, 10))
        assert least is not None
        assert least.samples_max is None, "nine are less than a batch"


class TestGuard:
    def test_it_remembers_and_says_it(self) -> None:
        readings = [MemoryReading(own=101 * MB), MemoryReading(own=1)]
        said: list[str] = []
        guard = MemoryGuard(100 * MB, lambda: readings.pop(0), said.append)
        assert guard.look(HELD)
        assert guard.pressed(HELD), "until it is relieved"
        assert guard.relieve()
        assert (guard.samples_max, len(said)) == (500, 1)
        assert not guard.look(HELD)
        assert not guard.relieve()
        assert guard.samples_max == 500

    def test_it_gives_up_with_the_reason(self) -> None:
        guard = MemoryGuard(1, lambda: MemoryReading(own=900 * MB), lambda _why: None)
        assert guard.look(HELD)
        with pytest.raises(ShortOfMemoryError, match="takes 900 MB, at most 0 MB"):
            guard.relieve()
        assert guard.look(HELD)
        guard.begin()
        assert not guard.relieve(), "a new round is looked at anew"


def lay_out(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


BOARD = {
    "proc/meminfo": "MemTotal:  437092 kB\nMemFree: 1 kB\nMemAvailable:  210000 kB\n",
    "proc/self/status": "Name:\tpython3\nVmRSS:\t   65000 kB\n",
}


class TestReader:
    def test_a_board_without_a_group(self, tmp_path: Path) -> None:
        root = lay_out(tmp_path, BOARD)
        seen = read_memory(root / "proc", root / "cgroup")
        assert (seen.own, seen.total, seen.available) == (65_000 << 10, 437_092 << 10, 210_000 << 10)
        assert isinstance(seen.group_left, Unknown)

    @pytest.mark.parametrize(
        ("limit", "left"), [("1000000", 1_000_000 - 700_000 + 300_000), ("max", None), ("?", None)]
    )
    def test_a_service_with_a_limit(self, tmp_path: Path, limit: str, left: int | None) -> None:
        group = "cgroup/system.slice/edge-client.service"
        files = {
            **BOARD,
            "proc/self/cgroup": "0::/system.slice/edge-client.service\n",
            f"{group}/memory.max": f"{limit}\n",
            f"{group}/memory.current": "700000\n",
            f"{group}/memory.stat": "anon 400000\nactive_file 100000\ninactive_file 200000\n",
        }
        root = lay_out(tmp_path, files)
        seen = read_memory(root / "proc", root / "cgroup").group_left
        assert seen == left if left is not None else isinstance(seen, Unknown)

    def test_what_cannot_be_read_is_unknown(self, tmp_path: Path) -> None:
        root = lay_out(tmp_path, {"proc/meminfo": "rubbish\nMemTotal: many\n"})
        seen = read_memory(root / "proc", root / "cgroup")
        assert all(
            isinstance(one, Unknown) for one in (seen.own, seen.total, seen.available, seen.group_left)
        )
        kills = read_kills(root / "proc")
        assert isinstance(kills.boot, Unknown)
        assert isinstance(kills.count, Unknown)

    def test_this_process_says_it(self) -> None:
        own = read_memory(Path("/proc"), Path("/sys/fs/cgroup")).own
        assert isinstance(own, int)
        assert own > 5 * MB


@pytest.mark.parametrize(
    ("before", "now", "why", "again"),
    [
        (Kills("a", 3), Kills("a", 4), "most likely killed for memory", True),
        (Kills("a", 3), Kills("a", 3), "not for memory", False),
        (Kills("a", 3), Kills("b", 0), "the board went down", False),
        (Kills("a", NOT_READ), Kills("a", 4), "maybe killed for memory", True),
        (Kills(NOT_READ, 3), Kills("b", 3), "not for memory", False),
    ],
)
def test_why_an_agent_ended(before: Kills, now: Kills, why: str, again: bool) -> None:
    found, may_again = why_it_ended(before, now)
    assert (why in found, may_again) == (True, again)


class TestMarker:
    def test_who_ended_well_left_none(self, tmp_path: Path) -> None:
        marker = TrainingMarker(tmp_path, lambda: Kills("a", 1))
        assert marker.death() is None
        marker.begin(4)
        marker.end()
        assert marker.death() is None

    def test_who_was_killed_is_told_of_once(self, tmp_path: Path) -> None:
        TrainingMarker(tmp_path, lambda: Kills("a", 1)).begin(4)
        later = TrainingMarker(tmp_path, lambda: Kills("a", 2))
        death = later.death()
        assert isinstance(death, Death)
        assert (death.round, death.again) == (4, True)
        assert later.death() is None

    @pytest.mark.parametrize("rubbish", ["", "{}", "[]", '{"round": "x", "boot": 1, "count": 2}'])
    def test_a_torn_one_says_nothing(self, tmp_path: Path, rubbish: str) -> None:
        (tmp_path / MARKER_FILE).write_text(rubbish)
        assert TrainingMarker(tmp_path, lambda: Kills("a", 1)).death() is None
        assert not (tmp_path / MARKER_FILE).exists()
