"""What a process did to a folder, as the disk sees it: operations on numbered files and folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Content: TypeAlias = "bytes | str | None"
"""Bytes of a file, target of a symbolic link, or None for a folder."""

Image: TypeAlias = "dict[str, Content]"
"""Everything below a folder, by path relative to it."""

ROOT = 0
"""Number of the recorded folder itself."""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at an offset of a file."""

    node: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file gets this length."""

    node: int
    size: int


@dataclass(frozen=True, slots=True)
class Rename:
    """Names in one folder that change together: each leads to a node, or (None) to nothing any more. A new
    name, a removed one and a renaming are all this."""

    node: int
    names: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """All that was done to this file or folder so far is durable from here on."""

    node: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A word of the recorded process: what is saved, what has left it."""

    text: str


Change: TypeAlias = "Write | Truncate | Rename"
Operation: TypeAlias = "Write | Truncate | Rename | Sync | Mark"


@dataclass(slots=True)
class Recording:
    """What was durable at first (`contents` and `names` of all nodes, new ones empty), and what was done."""

    contents: dict[int, Content] = field(default_factory=lambda: {ROOT: None})
    names: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    operations: list[Operation] = field(default_factory=list)

    def add(self, content: Content) -> int:
        """Number of a new node."""
        node = len(self.contents)
        self.contents[node] = content
        if content is None:
            self.names[node] = {}
        return node

    @property
    def points(self) -> int:
        """How many write, truncate, name and sync operations there are: the moments of a cut."""
        return sum(not isinstance(one, Mark) for one in self.operations)


def recording_of(image: Image) -> tuple[Recording, dict[str, int]]:
    """An empty recording over this durable folder, and the node of each path."""
    recording, nodes = Recording(), {"": ROOT}
    for path in sorted(image):
        folder, _, name = path.rpartition("/")
        nodes[path] = recording.add(image[path])
        recording.names[nodes[folder]][name] = nodes[path]
    return recording, nodes


def read_image(folder: Path) -> Image:
    """What is in a folder now; files that SQLite shares memory with are left out."""
    return {
        str(path.relative_to(folder)): _content(path)
        for path in sorted(folder.rglob("*"))
        if is_kept(path.name)
    }


def write_image(image: Image, folder: Path) -> None:
    """Make the folder, which must not be there yet, hold exactly this."""
    folder.mkdir()
    for path in sorted(image):
        content, place = image[path], folder / path
        if content is None:
            place.mkdir()
        elif isinstance(content, str):
            place.symlink_to(content)
        else:
            place.write_bytes(content)
            place.chmod(0o600)


def is_kept(name: str) -> bool:
    """Not so SQLite's shared memory: it is made anew by the first process that opens the database."""
    return not name.endswith("-shm")


def _content(path: Path) -> Content:
    if path.is_symlink():
        return str(path.readlink())
    return None if path.is_dir() else path.read_bytes()
