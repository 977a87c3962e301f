"""Bytes of the month, counted by ourselves and kept in a small SQLite file of their own.

Written when enough came together, not at every look: a crash forgets at most `UNSAVED_BYTES_MAX` and what
went over the link since the last look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_client.core.conditions.radio import radio_of
from edge_client.core.conditions.readings import NOT_READ, Reading
from edge_client.runtime.database import open_database, transaction
from edge_client.runtime.transport import Traffic

if TYPE_CHECKING:
    from sqlite_utils import Database as Schema

TRAFFIC_FILE = "traffic.db"
UNSAVED_BYTES_MAX = 100_000


def months_schema(database: Schema) -> None:
    """Bytes by month (`2026-11`, local time)."""
    database["months"].create({"month": str, "up": int, "down": int}, pk="month", not_null={"up", "down"})


class MonthBytes:
    """The file; for one thread."""

    def __init__(self, folder: Path) -> None:
        """Open or create; raises `DatabaseError`."""
        self._database = open_database(folder / TRAFFIC_FILE, (months_schema,))
        self._saved = (0, 0)
        self._month = ("", 0)
        """What the file holds, of which month; nobody else writes it."""

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def count(self, month: str, up_bytes: int, down_bytes: int, save: bool = False) -> int:
        """Take what went over the link since the process started; all bytes of the month, both directions."""
        up, down = up_bytes - self._saved[0], down_bytes - self._saved[1]
        if up + down >= UNSAVED_BYTES_MAX or (save and up + down):
            with transaction(self._database):
                self._database.conn.execute(
                    "INSERT INTO months (month, up, down) VALUES (?, ?, ?) ON CONFLICT (month)"
                    " DO UPDATE SET up = up + excluded.up, down = down + excluded.down",
                    (month, up, down),
                )
            self._saved, self._month = (up_bytes, down_bytes), ("", 0)
            up = down = 0
        if self._month[0] != month:
            self._month = (month, self._held(month))
        return up + down + self._month[1]

    def _held(self, month: str) -> int:
        query = "SELECT up + down FROM months WHERE month = ?"
        row = self._database.conn.execute(query, (month,)).fetchone()
        return 0 if row is None else int(row[0])


class Spending:
    """What the trainer asks for the cost of a round: energy by the meter, bytes since the round before
    and what their radio took. Fed by the watch, asked by the trainer; see `Meter`."""

    def __init__(self, traffic: Callable[[], Traffic]) -> None:
        self._traffic = traffic
        self._lock = threading.Lock()
        self._energy_mj: float | None = None
        self._link: Reading[str] = NOT_READ
        self._told = (0, 0, 0)

    def sees_link(self, link: Reading[str]) -> None:
        """The kind of link that leads to the internet now."""
        self._link = link

    def add_energy(self, power_w: float, duration_ms: int) -> None:
        """The board took so much power for so long."""
        with self._lock:
            self._energy_mj = (self._energy_mj or 0.0) + power_w * duration_ms

    def energy_mj(self) -> int | None:
        """See `Meter`."""
        with self._lock:
            return None if self._energy_mj is None else round(self._energy_mj)

    def radio(self) -> tuple[int, int, int]:
        """See `Meter`."""
        traffic, before = self._traffic(), self._told
        self._told = (traffic.up_all_bytes, traffic.down_all_bytes, traffic.bursts)
        up, down, bursts = (now - then for now, then in zip(self._told, before, strict=True))
        return up, down, radio_of(self._link).energy_mj(up, down, bursts)
