"""Whether the wall clock follows a time server."""

from __future__ import annotations

from pathlib import Path

from edge_client.core.conditions.readings import Reading, Unknown

SYNC_FILES = ("systemd/timesync/synchronized", "chrony/chronyd.pid", "ntpd.pid")


def read_time_synced(run: Path) -> Reading[bool]:
    """From `/run`: systemd's word. A running chrony or ntpd is believed to do its work."""
    try:
        if any((run / name).exists() for name in SYNC_FILES):
            return True
        if (run / "systemd" / "timesync").exists():
            return False
    except OSError as error:
        return Unknown(f"{run}: {error.strerror or error}")
    return Unknown("no known time service runs")
