"""Large objects (models, update bodies, graphs) as files named by their root hash.

Kept out of SQLite so that pruning is a delete and a 400 KB body does not pass through a write-ahead log. The
store does not check that bytes belong to a root: which tree a root is of is the caller's knowledge.
"""

from __future__ import annotations

from pathlib import Path

from edge_client.runtime.files import TEMPORARY_SUFFIX, make_folder, replace

ROOT_CHARS = 64


class ObjectTooLargeError(Exception):
    """The object passes `object_bytes_max`; nothing was written."""


class ObjectStore:
    """One folder of objects, one writer. An OSError from the disk is not caught: it must end the process."""

    def __init__(self, folder: Path, object_bytes_max: int) -> None:
        self._folder = folder
        self._object_bytes_max = object_bytes_max
        make_folder(folder)

    def remove_leftovers(self) -> None:
        """Remove what a crash left half written; for the one writer only, readers would disturb it."""
        for leftover in self._folder.glob(f"*{TEMPORARY_SUFFIX}"):
            leftover.unlink()

    def put(self, root: bytes, data: bytes) -> None:
        """Keep `data` under `root` (32 bytes); it is on the disk when this returns. Again is harmless."""
        if len(data) > self._object_bytes_max:
            raise ObjectTooLargeError(
                f"object of {len(data)} bytes; at most {self._object_bytes_max} are kept"
            )
        replace(self.path(root), data)

    def get(self, root: bytes) -> bytes | None:
        """The object, or None when it is not here."""
        try:
            return self.path(root).read_bytes()
        except FileNotFoundError:
            return None

    def delete(self, root: bytes) -> None:
        """Forget the object, if it is here; not synced, because doing it again after a crash is harmless."""
        self.path(root).unlink(missing_ok=True)

    def roots(self) -> list[bytes]:
        """What is here, sorted."""
        names = (path.name for path in self._folder.iterdir() if len(path.name) == ROOT_CHARS)
        return sorted(bytes.fromhex(name) for name in names)

    def path(self, root: bytes) -> Path:
        """Where the object is (or would be), for those who map it or read a part of it."""
        return self._folder / root.hex()
