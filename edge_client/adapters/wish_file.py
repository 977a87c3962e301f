"""How a command reaches the running agent: a line in a file of the device's folder, and a thread that looks.

`wish` holds the open wish and survives restarts of agent and machine; `wish-outcome` says what became of the
last one, and which it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from edge_client.core.events import SettleWish, Wished
from edge_client.protocol.consent import Wish
from edge_client.protocol.errors import DecodeError
from edge_client.runtime.files import replace

WISH_FILE, OUTCOME_FILE = "wish", "wish-outcome"
WISH_BYTES_MAX = 1024
LOOK_S = 5.0


class WishFile:
    """The two files."""

    def __init__(self, folder: Path) -> None:
        self._wish = folder / WISH_FILE
        self._outcome = folder / OUTCOME_FILE

    def write(self, wish: Wish) -> None:
        """Ask for something; an earlier wish is replaced."""
        self._outcome.unlink(missing_ok=True)
        replace(self._wish, f"{wish.text()}\n".encode())

    def read(self) -> Wish | None:
        """The open wish; None also for a file that nobody but its owner can have broken."""
        return _wish_of(_head_of(self._wish))

    def settle(self, effect: SettleWish) -> None:
        """Keep the outcome, then forget the wish."""
        replace(self._outcome, f"{effect.outcome}\n{_head_of(self._wish)}".encode())
        self._wish.unlink(missing_ok=True)

    def outcome(self) -> str | None:
        """What became of the last wish."""
        return _head_of(self._outcome).partition("\n")[0] or None

    def settled(self) -> Wish | None:
        """The wish that has this outcome."""
        return _wish_of(_head_of(self._outcome).partition("\n")[2])


def _head_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(WISH_BYTES_MAX).decode("ascii", "replace")
    except FileNotFoundError:
        return ""


def _wish_of(text: str) -> Wish | None:
    try:
        return Wish.parse(text)
    except DecodeError:
        return None


class WishWatch:
    """Posts `Wished` at the start and whenever the file says something else."""

    def __init__(self, file: WishFile, post: Callable[[Wished], None]) -> None:
        self._file = file
        self._post = post
        self._known: Wish | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wish-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Post what changed since the last look."""
        wish = self._file.read()
        if wish != self._known:
            self._known = wish
            self._post(Wished(wish))

    def _run(self) -> None:
        while True:
            self.look()
            if self._stopping.wait(LOOK_S):
                return
