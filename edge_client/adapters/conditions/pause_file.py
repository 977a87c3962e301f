"""The owner's `pause`: a file in the state folder, so that it outlives restarts of agent and board."""

from __future__ import annotations

from pathlib import Path

from edge_client.core.conditions.readings import NEVER
from edge_client.runtime.files import replace, sync_folder

PAUSE_FILE = "pause"
PAUSE_BYTES_MAX = 32


class PauseFile:
    """Until when the owner wants no training."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / PAUSE_FILE

    def write(self, until_ms: int) -> None:
        """Pause until then (Unix ms), or `NEVER`."""
        replace(self._path, f"{until_ms}\n".encode())

    def clear(self) -> bool:
        """Go on; False when there was no pause."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        sync_folder(self._path.parent)
        return True

    def until_ms(self) -> int:
        """When the pause ends; 0 without one. A file that says nothing else is a pause without an end."""
        try:
            with self._path.open("rb") as file:
                text = file.read(PAUSE_BYTES_MAX).decode("ascii", "replace").strip()
        except FileNotFoundError:
            return 0
        except OSError:
            return NEVER
        return min(int(text), NEVER) if text.isdecimal() else NEVER
