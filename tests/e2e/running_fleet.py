"""A fleet of real processes for tests: the demo's stage, but its processes can be killed and started again.

Everything is read from outside: from disks, logs and `/proc`, through connections that are opened for one
look, so that a killed process's database is recovered by its own successor.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.adapters.status_file import read_status_file
from broker.mqtt_server.choose import Choice
from edge_client.adapters.device_database import DATABASE_FILE
from edge_client.core.events import Fate
from edge_client.device_folder import KEY_FILE
from edge_client.protocol.accounts import Account
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.state import Learning
from edge_client.runtime.keystore import load_seed
from firmware_profiles.demo.heads import Heads
from firmware_profiles.demo.processes import Child, Children
from firmware_profiles.demo.setting import DemoPlan, Lesson, set_stage, start_everybody

VALIDATORS = DEVICES = 4
LESSON = Lesson(
    layer_widths=(64, 256, 10), rules={"k": DEVICES + 1, "round_s": 1, "min_updates": 2, "epochs": 3}
)
"""Updates of two chunks and models of five, so that there is something to interrupt; no round waits for all
devices, so that updates come late, too. None closes before its time: a fleet that works as fast as it can
takes both cores, and asks more often than validators answer."""
POLL_S = 0.02
WAIT_S_MAX = 180.0
"""Not a limit on speed: only so that a failing test ends."""
READ_S_MAX = 30.0


class NeverHappenedError(AssertionError):
    """What a test waited for did not come; the text names it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An update as its device has it on disk."""

    round: int
    fate: Fate
    reason: str | None


class RunningFleet:
    """Four validators and four devices around one MQTT server."""

    def __init__(self, folder: Path, seed: int, mqtt: Choice, lesson: Lesson = LESSON) -> None:
        plan = DemoPlan(folder, DEVICES, VALIDATORS, rounds=0, seed=seed, mqtt=mqtt, lesson=lesson)
        self.stage = set_stage(plan)
        self.children = Children()

    @property
    def validators(self) -> list[Child]:
        """Processes of the validators."""
        return self.children.members[:VALIDATORS]

    @property
    def devices(self) -> list[Child]:
        """Processes of the devices."""
        return self.children.members[VALIDATORS : VALIDATORS + DEVICES]

    def start(self) -> None:
        """Start everybody; returns when every device has taken part in a round."""
        start_everybody(self.stage, self.children)
        self.wait(lambda: all(map(self._has_taken_part, range(DEVICES))), "a first update of all")

    def _has_taken_part(self, device: int) -> bool:
        return any(one.fate == Fate.INCLUDED for one in self.updates(device).values())

    def stop(self) -> None:
        """Leave nothing running."""
        self.children.stop()
        self.stage.server.stop()

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        """Return when `holds`; raises `NeverHappenedError`, and `ChildDiedError` when a process ends."""
        until_s = time.monotonic() + WAIT_S_MAX
        while not holds():
            self.children.check()
            if time.monotonic() > until_s:
                raise NeverHappenedError(f"never happened in {WAIT_S_MAX:.0f} s: {what}")
            time.sleep(POLL_S)

    def wait_heads_agree(self) -> None:
        """Return when all devices and validators have one and the same head at one moment."""
        with closing(Heads(self.stage)) as heads:
            self.wait(heads.agree, "all heads agree")

    def wait_next_round(self) -> None:
        """Return when the round that is open now has been closed by all, and all heads agree."""
        open_now = max(self.round(index) for index in range(VALIDATORS))
        self.wait(lambda: self.rounds() > open_now, f"all validators close round {open_now}")
        self.wait_heads_agree()

    # --- what is on the disks ------------------------------------------------------------------------------

    def blocks(self, index: int, above: int = 0) -> dict[int, bytes]:
        """Finalised height -> header hash of one validator."""
        query = "SELECT height, hash FROM headers WHERE height > ?"
        return dict(rows(self._validator_database(index), query, above))

    def round(self, index: int) -> int:
        """The round that is open for one validator."""
        found = rows(self._validator_database(index), "SELECT value FROM meta WHERE key = 'learning'")
        return Learning.decode(found[0][0]).round if found else 1

    def rounds(self) -> int:
        """The round that is open for the last of the validators."""
        return min(self.round(index) for index in range(VALIDATORS))

    def phase(self, index: int) -> str:
        """Whether a validator signs: what its status file says."""
        words = read_status_file(self.stage.validator_folder(index) / "state")
        return str(words.get("phase", {}).get("phase"))

    def account_numbers(self) -> dict[bytes, int]:
        """Public key -> account of all that every validator knows."""
        found = [
            rows(self._validator_database(i), "SELECT id, account FROM accounts") for i in range(VALIDATORS)
        ]
        known = [{Account.decode(account).public_key: number for number, account in one} for one in found]
        return {key: number for key, number in known[0].items() if all(key in one for one in known)}

    def device_name(self, device: int) -> str:
        """Node id of a device."""
        return node_id(Signer(load_seed(self.stage.device_folders[device] / KEY_FILE)).public_key)

    def including_height(self, index: int, update_root: bytes) -> int | None:
        """Where a validator has an update, if its chain holds it."""
        query = "SELECT height FROM inclusions WHERE update_root = ?"
        found = rows(self._validator_database(index), query, update_root)
        return int(found[0][0]) if found else None

    def updates(self, device: int) -> dict[bytes, Finished]:
        """All finished updates of a device by their roots."""
        database = self.stage.device_folders[device] / DATABASE_FILE
        found = rows(database, "SELECT root, round, fate, reason FROM updates")
        return {root: Finished(number, Fate(fate), reason) for root, number, fate, reason in found}

    def pending(self, device: int) -> set[bytes]:
        """Finished updates whose fate is open."""
        return {root for root, one in self.updates(device).items() if one.fate == Fate.PENDING}

    def _validator_database(self, index: int) -> Path:
        return self.stage.validator_folder(index) / "state" / "validator.db"


@contextmanager
def running_fleet(folder: Path, seed: int, mqtt: Choice, lesson: Lesson = LESSON) -> Iterator[RunningFleet]:
    """A started fleet that is gone afterwards."""
    fleet = RunningFleet(folder, seed, mqtt, lesson)
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.stop()


def rows(database: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Look once into a database that another process writes; nothing when the table is not there yet."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=READ_S_MAX)) as connection:
        try:
            return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
