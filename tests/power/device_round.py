"""A device's life on its real stores: two rounds of real training, the second with a pause and a restart.

`python -m tests.power.device_round FOLDER MARKS [MISTAKE]` is the process that is recorded; the same life,
from wherever the folder stands, is what the process must be able to do after a cut.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from queue import Queue
from typing import TypeAlias

from edge_client.adapters.conditions.board import Roots
from edge_client.adapters.conditions.own_memory import read_kills
from edge_client.adapters.conditions.traffic import TRAFFIC_FILE, MonthBytes
from edge_client.adapters.device_database import DATABASE_FILE
from edge_client.adapters.hook import Hook
from edge_client.adapters.model_files import CURRENT_FILE, ModelFiles
from edge_client.adapters.publisher import NewModel, Publisher
from edge_client.adapters.status_file import STATUS_FILE, Reporting
from edge_client.adapters.trainer import Job, Signal, Trainer, TrainerSetup
from edge_client.adapters.training_marker import TrainingMarker
from edge_client.config import read_config
from edge_client.core.events import (
    AgentEffect,
    ModelMeasured,
    Stopping,
    TrainingFailed,
    TrainingFinished,
    TrainingPaused,
)
from edge_client.device_folder import KEY_FILE
from edge_client.protocol.keys import Signer
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import UpdateOffer
from edge_client.protocol.records import decode_record, encode_record
from edge_client.protocol.update import UpdateHead
from edge_client.runtime.keystore import load_seed
from tests.builders import ChainMaker
from tests.device_world import DeviceWorld
from tests.model_life import WAIT_S, learning_chain
from tests.owned_device import T0_S
from tests.power.mistakes import make_mistake
from tests.power.words import Teller, Units, small_files, tables_of
from tests.real_disk import RealDisk

ROUNDS = 2
PAUSED_ROUND, PAUSED_STEPS = 2, 4
LOG_PAGES = 8
"""SQLite's log is copied into the database as often as this many pages, for 1,000 in the real program."""
MONTH, BYTES_A_ROUND = "2026-11", 5_000
SMALL_FILES = (CURRENT_FILE,)

Result: TypeAlias = "ModelMeasured | TrainingFinished | TrainingFailed | TrainingPaused"


class PausedError(Exception):
    """The life was told to stop while it trained."""


class Round(DeviceWorld):
    """A device that begins on what `folder` holds, when `steps` of the chain have happened already."""

    def __init__(self, folder: Path, teller: Teller, steps: Sequence[Sequence[str]] = ()) -> None:
        self.folder = folder
        self.teller = teller
        chain = learning_chain()
        super().__init__(chain)
        for step in steps:
            make_block(chain, step)
        self.device_disk = RealDisk(folder, chain.chain_id)
        self.month = MonthBytes(folder)
        self.marker = TrainingMarker(folder, lambda: read_kills(Roots().proc))
        self.marker.death()
        for database in (self.device_disk.real._database, self.month._database):
            database.conn.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}").fetchall()
        self.disk = self.device_disk
        self.signer = Signer(load_seed(folder / KEY_FILE))
        self.identity = replace(self.identity, signer=self.signer)
        self.now_ms = (T0_S + 3600) * 1000
        self.agent = self.make_agent()
        self.results: Queue[Result] = Queue()
        self.saved("opened")

    # --- its life -----------------------------------------------------------------------------------------

    def live(self, pauses: bool = False) -> None:
        """From wherever it stands to the end of the last round."""
        self.link_up()
        self.answer()
        if self.account is None:
            self._block([encode_record(self.registered[0]).hex()])
        while self.chain.state.learning.round <= ROUNDS:
            number = self.chain.state.learning.round
            self.teller.round(number)
            self.follow()
            if not self._is_saved(number):
                self._train(pauses=pauses and number == PAUSED_ROUND)
            self._deliver(number)
        self.follow()

    def follow(self) -> None:
        """Hear of the chain's head and ask what there is to ask; the model becomes a file."""
        self.publish_head()
        self.answer()
        head, objects = self.device_disk.real.chain.head(), self.device_disk.real.objects
        assert head is not None
        if objects.path(head.app.model_root).is_file():
            model = NewModel(self.chain.genesis, head.app.model_root, head.height, head.learning.round)
            publisher = Publisher(objects, ModelFiles(self.folder), Hook((), self.folder, print), print)
            if model.root != publisher._files.root():
                publisher._publish(model)
        self.saved("followed")

    def _is_saved(self, number: int) -> bool:
        return any(one.head.round == number for one in self.disk.updates.values())

    def _train(self, *, pauses: bool) -> None:
        order, real = self.orders[-1], self.device_disk.real
        interrupted = real.checkpoint.get()
        root = interrupted.root if interrupted is not None and interrupted.order == order else None
        data = read_config(self.folder).own_data(self.folder)
        setup = TrainerSetup(
            self.signer.public_key, real.objects, data, 1, self.results.put_nowait, marker=self.marker
        )
        if pauses:
            self.tell(Stopping())
        Trainer(setup, After if pauses else Signal).start(
            self.chain.genesis, Job(order, tuple(real.outbox.residual()), root)
        )
        while True:
            result = self.results.get(timeout=WAIT_S)
            assert not isinstance(result, TrainingFailed), result
            if isinstance(result, TrainingFinished):
                self.chain.update_bodies[result.update_root] = real.objects.get(result.update_root) or b""
            self.tell(result)
            if isinstance(result, TrainingPaused):
                raise PausedError
            if isinstance(result, TrainingFinished):
                return

    def _deliver(self, number: int) -> None:
        """Validators take all of the update and put it into a block."""
        self.month.count(MONTH, number * BYTES_A_ROUND, number * BYTES_A_ROUND, save=True)
        self.saved("bytes counted")
        head = self.offers[-1].head
        assert head.round == number
        self.acknowledge()
        self.give_receipts(head.update_root, [0, 1])
        body = self.device_disk.real.objects.get(head.update_root)
        assert body is not None
        self._block([encode_record(head).hex(), body.hex()])

    def _block(self, step: Sequence[str]) -> None:
        make_block(self.chain, step)
        self.teller.chained(step)

    # --- what is told of it -------------------------------------------------------------------------------

    def _execute(self, effect: AgentEffect) -> None:
        super()._execute(effect)
        if type(effect) in self.device_disk._executors:
            self.saved(type(effect).__name__)
        elif isinstance(effect, Publish) and "/head/" in effect.topic:
            head = UpdateOffer.decode(effect.payload).head
            self.teller.sent(f"update of round {head.round}", effect.payload)

    def saved(self, what: str) -> None:
        """Say what the folder holds now."""
        self.teller.saved(what, self.units())

    def units(self) -> Units:
        """What the folder holds."""
        return {
            **tables_of(DATABASE_FILE, self.device_disk.real._database.conn),
            **tables_of(TRAFFIC_FILE, self.month._database.conn),
            **small_files(self.folder, SMALL_FILES),
        }

    def close(self) -> None:
        """As the service does it."""
        path = self.folder / STATUS_FILE
        Reporting(self.agent, path, dict, lambda _line: None).write()
        self.saved("status")
        self.close_files()

    def close_files(self) -> None:
        """Close the databases."""
        self.device_disk.real.close()
        self.month.close()


class After(Signal):
    """Pauses the work after `PAUSED_STEPS`."""

    def __init__(self) -> None:
        super().__init__()
        self._left = PAUSED_STEPS

    def given(self) -> bool:
        """Asked before every step."""
        self._left -= 1
        if self._left < 0:
            self.pause.set()
        return super().given()


def make_block(chain: ChainMaker, step: Sequence[str]) -> None:
    """A record, and the body if it is an update, both in hexadecimal."""
    record = decode_record(bytes.fromhex(step[0]))
    if isinstance(record, UpdateHead):
        chain.update_bodies[record.update_root] = bytes.fromhex(step[1])
    chain.add([record], chain.time_s + 100)


def main() -> None:
    """Two processes' lives, one after the other, in one: the first stops in the middle of its last round."""
    folder, teller = Path(sys.argv[1]), Teller(Path(sys.argv[2]))
    make_mistake(*sys.argv[3:])
    first = Round(folder, teller)
    try:
        first.live(pauses=True)
    except PausedError:
        first.close()
    second = Round(folder, teller, teller.steps)
    second.live()
    second.close()


if __name__ == "__main__":
    main()
