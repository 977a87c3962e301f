"""A validator's life on its real stores: from an empty folder over a few blocks, with pruning and a restart.

`python -m tests.power.validator_block FOLDER MARKS [MISTAKE]` is the process that is recorded; the same life,
from wherever the folder stands, is what the process must be able to do after a cut.
"""

from __future__ import annotations

import sys
from pathlib import Path

from broker.adapters import together
from broker.adapters.key_marker import MARKER_SUFFIX, KeyMarker
from broker.adapters.status_file import STATUS_FILE, Reporting
from broker.adapters.validator_database import DATABASE_FILE
from broker.core.validator import ValidatorEffect, ValidatorEvent
from edge_client.protocol.light import LightBlock
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import decode_validator_say
from edge_client.protocol.votes import Proposal, Vote, VoteKind
from tests.integration.killed_validator import DEVICES, genesis, open_store
from tests.lone_validator import LoneValidator
from tests.power.mistakes import make_mistake
from tests.power.words import Teller, Units, small_files, tables_of

BLOCKS = 7
"""The first registers the devices, the others close rounds; bodies go after three."""
RESTARTED_BLOCK = 5
LOG_PAGES = 16
"""SQLite's log is copied into the database as often as this many pages, for 1,000 in the real program."""
KEY_FILE = "validator.key"
SMALL_FILES = (KEY_FILE + MARKER_SUFFIX,)
BLOCK_MS = 1_000


class ValidatorFolder:
    """A validator's folder, opened as the service does it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_store(folder)
        self.store._db.conn.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}").fetchall()
        KeyMarker(folder / KEY_FILE, self.store.log_name).bind()
        self.store.remove_leftovers()

    def units(self) -> Units:
        """What it holds."""
        tables = tables_of(DATABASE_FILE, self.store._db.conn)
        return {**tables, **small_files(self.folder, SMALL_FILES)}


class BlockByBlock(LoneValidator):
    """A validator that begins on what a folder holds."""

    def __init__(self, disk: ValidatorFolder, teller: Teller, late_ms: int = 0) -> None:
        """`late_ms`: at another time it makes another block, if it does not remember."""
        self.disk = disk
        self._late_ms = late_ms
        self.teller = teller
        super().__init__(genesis())

    def start(self) -> None:
        """On the real disk, at a time that is not before that of its head."""
        self.store = self.disk.store  # type: ignore[assignment]
        head = self.store.load().head
        self.now_ms += self._late_ms + (0 if head is None else (head.header.time_s + 1) * 1000)
        self.saved("opened")
        super().start()

    def live(self, height: int) -> None:
        """Until the block of this height; devices hand the same updates in again."""
        if not self.machine.head.height:
            self.teller.round(1)
            self.join(self.devices[:DEVICES])
        while self.machine.head.height < height:
            self.teller.round(self.machine.head.height + 1)
            for account in range(DEVICES):
                self.hand_in(account)
            self.run(BLOCK_MS)

    def give(self, event: ValidatorEvent) -> list[ValidatorEffect]:
        """One event; neighbouring effects that save are one, as in the service."""
        effects = self.machine.handle(event, self.now_ms)
        for effect in together.grouped(effects):
            write = self.store.executors().get(type(effect))
            if write is not None:
                write(effect)
                inside = effect.effects if isinstance(effect, together.Together) else (effect,)
                self.saved("+".join(type(one).__name__ for one in inside))
            elif isinstance(effect, Publish):
                self._sent(effect)
        self.effects += effects
        return effects

    def _sent(self, message: Publish) -> None:
        levels = message.topic.split("/")[3:]
        if levels[0] == "chain":
            header = LightBlock.decode(message.payload).header
            self.teller.sent(f"final block {header.height}", header.encode())
        elif levels[0] == "val" and levels[-1] == "say":
            said = decode_validator_say(message.payload)
            if isinstance(said, Proposal):
                self.teller.sent(f"proposal of slot {said.slot}", said.header.encode())
            elif isinstance(said, Vote):
                kind = VoteKind(said.kind)
                self.teller.sent(f"{kind.name} of slot {said.slot}", said.subject.encode())
                if kind != VoteKind.NOTARIZE:
                    self.teller.sent(f"Z or F of slot {said.slot}", kind.name.encode())
        elif levels[0] == "down":
            self.teller.answered()

    def saved(self, what: str) -> None:
        """Say what the folder holds now."""
        self.teller.saved(what, self.disk.units())

    def close(self) -> None:
        """As the service does it."""
        Reporting(self.machine, self.disk.folder / STATUS_FILE, {}).write(self.now_ms)
        self.saved("status")
        self.disk.store.close()


def main() -> None:
    """Two processes' lives, one after the other, in one."""
    folder, teller = Path(sys.argv[1]), Teller(Path(sys.argv[2]))
    make_mistake(*sys.argv[3:])
    first = BlockByBlock(ValidatorFolder(folder), teller)
    first.live(RESTARTED_BLOCK)
    first.close()
    second = BlockByBlock(ValidatorFolder(folder), teller)
    second.live(BLOCKS)
    second.close()


if __name__ == "__main__":
    main()
