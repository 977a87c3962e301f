"""The model as a file for the owner's own programs: `current.tflite`, always complete and verified.

It is a link to a file named by the model's root. The file before the current one stays, because somebody may
just have followed the link.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge_client.runtime.files import TEMPORARY_SUFFIX, make_folder, replace_by_pieces, replace_link

CURRENT_FILE = "current.tflite"
FOLDER = "models"
SUFFIX = ".tflite"


class ModelFiles:
    """The files of one device; one writer."""

    def __init__(self, state: Path) -> None:
        self.current = state / CURRENT_FILE
        self._folder = state / FOLDER

    def root(self) -> bytes | None:
        """Which model the link leads to; None while there is none."""
        try:
            return bytes.fromhex(self.current.resolve(strict=True).stem)
        except (OSError, ValueError):
            return None

    def publish(self, root: bytes, pieces: Iterable[bytes]) -> None:
        """Write the file and then move the link; on the disk when this returns. Older files go."""
        before = self.root()
        make_folder(self._folder)
        path = self._path(root)
        replace_by_pieces(path, pieces)
        replace_link(self.current, Path(FOLDER) / path.name)
        keep = {path, None if before is None else self._path(before)}
        leftovers = self.current.parent.glob(f"{CURRENT_FILE}.*{TEMPORARY_SUFFIX}")
        for old in (*self._folder.iterdir(), *leftovers):
            if old not in keep:
                old.unlink(missing_ok=True)

    def _path(self, root: bytes) -> Path:
        return self._folder / f"{root.hex()}{SUFFIX}"
