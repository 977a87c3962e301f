"""Small kernel files."""

from __future__ import annotations

from pathlib import Path

from edge_client.core.conditions.readings import Unknown

FILE_BYTES_MAX = 64 * 1024


def read_text(path: Path) -> str | Unknown:
    """The content without its line end."""
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", "replace").strip()
    except OSError as error:
        return Unknown(f"{path}: {error.strerror or error}")


def read_number(path: Path, scale: float = 1) -> float | Unknown:
    """The number in the file, divided by `scale`."""
    text = read_text(path)
    if isinstance(text, Unknown):
        return text
    try:
        return float(text) / scale
    except ValueError:
        return Unknown(f"{path} holds no number: {text[:40]!r}")


def subfolders(root: Path, pattern: str) -> list[Path]:
    """What matches below `root`, sorted; empty when there is nothing."""
    try:
        return sorted(root.glob(pattern))
    except OSError:
        return []
