"""`doctor` on boards of all kinds; each sample is what their files say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_client import machine_checkup
from edge_client.machine_checkup import (
    DISK_BYTES_GOOD,
    DISK_BYTES_MIN,
    FSYNC_MS_GOOD,
    MEMORY_KIB_GOOD,
    Finding,
    Python,
    check_disk,
    check_machine,
    check_runtime,
    fsync_ms,
    judge_fsync,
)

BOOKWORM_64 = Python("aarch64", 64, (3, 11), (), 2)
BOOKWORM_32 = Python("aarch64", 32, (3, 11), (), 1)
"""Raspberry Pi OS of 32 bits on a Pi 4 or 5: the kernel has 64."""
TRIXIE_32 = Python("armv7l", 32, (3, 13), (), 2)


@pytest.mark.parametrize(
    ("python", "mend"),
    [
        (BOOKWORM_64, "python3 -m pip install 'edge-client[litert]'"),
        (
            replace(BOOKWORM_64, executable="/fl/bin/python"),
            "/fl/bin/python -m pip install 'edge-client[litert]'",
        ),
        (BOOKWORM_32, "python3 -m pip install 'edge-client[tflite]'"),
        (TRIXIE_32, "install a 64-bit system"),
        (
            replace(BOOKWORM_32, runtimes=("tflite-runtime",), numpy_major=2),
            "python3 -m pip install 'numpy<2'",
        ),
    ],
)
def test_a_runtime_that_cannot_work_is_told_with_its_remedy(python: Python, mend: str) -> None:
    found = check_runtime(python)
    assert (found.good, found.mend) == (False, mend)


def test_the_trap_of_two_word_sizes_is_named() -> None:
    assert "32-bit system below a 64-bit kernel" in check_runtime(BOOKWORM_32).detail
    assert "below" not in check_runtime(TRIXIE_32).detail


@pytest.mark.parametrize(
    "python",
    [
        replace(BOOKWORM_64, runtimes=("ai-edge-litert",)),
        replace(BOOKWORM_64, runtimes=("ai-edge-litert", "tflite-runtime")),
        replace(BOOKWORM_32, runtimes=("tflite-runtime",)),
    ],
)
def test_a_runtime_that_works(python: Python) -> None:
    assert check_runtime(python) == Finding("runtime", True, python.runtimes[0])


def test_this_python_is_seen() -> None:
    assert Python.here().bits in {32, 64}
    assert Python.here().numpy_major >= 1


def write(root: Path, name: str, text: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def mends(root: Path) -> dict[str, str]:
    found = list(check_machine(root))
    assert all(one.good for one in found)
    return {one.check: one.mend for one in found}


def test_a_raspberry_pi_as_it_comes(tmp_path: Path) -> None:
    write(tmp_path, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n")
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    found = mends(tmp_path)
    assert "cgroup_enable=memory" in found["cgroup"]
    assert "psi=1" in found["pressure"]
    assert found["time"] == "sudo timedatectl set-ntp true"
    assert "no clock" in next(one.detail for one in check_machine(tmp_path) if one.check == "rtc")


def test_a_board_that_lacks_nothing(tmp_path: Path) -> None:
    write(tmp_path, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
    write(tmp_path, "proc/pressure/cpu", "some avg10=0.00\n")
    write(tmp_path, "sys/class/rtc/rtc0")
    write(tmp_path, "run/systemd/timesync/synchronized")
    write(tmp_path, "proc/meminfo", f"MemTotal: 999999 kB\nMemAvailable: {MEMORY_KIB_GOOD} kB\n")
    assert set(mends(tmp_path).values()) == {""}
    details = {one.check: one.detail for one in check_machine(tmp_path)}
    assert details["time"] == "synchronised"
    assert "runs while the power is off" in details["rtc"]


def test_a_system_that_tells_nothing_is_unknown_not_broken(tmp_path: Path) -> None:
    details = {one.check: one.detail for one in check_machine(tmp_path)}
    assert details["cgroup"].startswith("unknown")
    assert details["time"].startswith("unknown")
    assert details["memory"].startswith("unknown")


@pytest.mark.parametrize("sign", ["chrony/chronyd.pid", "ntpd.pid", "systemd/timesync/synchronized"])
def test_every_time_service_counts(tmp_path: Path, sign: str) -> None:
    write(tmp_path, f"run/{sign}")
    assert mends(tmp_path)["time"] == ""


def test_a_board_with_little_memory_left(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", f"MemAvailable: {MEMORY_KIB_GOOD - 1} kB\n")
    assert "zram" in mends(tmp_path)["memory"]


class TestDisk:
    @pytest.mark.parametrize(
        ("free", "good", "told"),
        [
            (DISK_BYTES_MIN - 1, False, True),
            (DISK_BYTES_GOOD - 1, True, True),
            (DISK_BYTES_GOOD, True, False),
        ],
    )
    def test_room(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, good: bool, told: bool
    ) -> None:
        class Usage:
            pass

        usage = Usage()
        usage.free = free  # type: ignore[attr-defined]
        monkeypatch.setattr(f"{machine_checkup.__name__}.shutil.disk_usage", lambda _folder: usage)
        monkeypatch.setattr(machine_checkup, "fsync_ms", lambda _folder: 1.0)
        found = check_disk(tmp_path)
        assert (found.good, bool(found.mend)) == (good, told)

    def test_speed(self) -> None:
        assert judge_fsync(FSYNC_MS_GOOD, "").mend == ""
        assert "another card" in judge_fsync(FSYNC_MS_GOOD + 1, "").mend

    def test_the_measurement_leaves_nothing_behind(self, tmp_path: Path) -> None:
        assert fsync_ms(tmp_path) > 0
        assert list(tmp_path.iterdir()) == []
