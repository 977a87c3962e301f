"""A plot before it is drawn, and the table with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are texts, not yet escaped. The first column names the row, the others are numbers, or words that
    may be long."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_words: bool = False

    @classmethod
    def of(cls, header: Sequence[str], rows: Iterable[Sequence[str]], *, is_words: bool = False) -> Table:
        """From any sequences."""
        return cls(tuple(header), tuple(tuple(row) for row in rows), is_words)


@dataclass(frozen=True, slots=True)
class Chart:
    """`name` is that of its file; `note` says in a sentence what it shows, also to those who cannot see it.

    `draw` is given an empty figure of 8 by `height_in` inches.
    """

    name: str
    title: str
    note: str
    draw: Callable[[Figure], None]
    table: Table
    height_in: float = 2.8
