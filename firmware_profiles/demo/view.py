"""What people see while the demo runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import click
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

BAR_CHARS = 24
LOOK_BACK_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class RoundShown:
    """One closed round."""

    number: int
    accounts: tuple[int, ...]
    accuracy: float
    finality_ms: int | None
    seconds: float


class View(Protocol):
    """Shows progress."""

    def say(self, text: str) -> None:
        """A step of the set-up."""

    def progress(self, text: str) -> None:
        """What is going on in the open round; replaced by the next call."""

    def round(self, shown: RoundShown) -> None:
        """A round was closed and measured."""

    def close(self) -> None:
        """Give the terminal back."""


class PlainView:
    """One line each."""

    def say(self, text: str) -> None:
        """See `View`."""
        click.echo(text)

    def progress(self, text: str) -> None:
        """Nothing: lines cannot be replaced here."""

    def round(self, shown: RoundShown) -> None:
        """See `View`."""
        click.echo(
            f"round {shown.number:>3}  accuracy {shown.accuracy:.3f}  "
            f"{len(shown.accounts)} updates  finality {_ms(shown.finality_ms)}  {shown.seconds:.1f} s"
        )

    def close(self) -> None:
        """Nothing to give back."""


class LiveView:
    """A table of the last rounds with bars, and a line about the open one."""

    ROWS_MAX = 14

    def __init__(self, rounds: int, devices: int) -> None:
        self._rounds = rounds
        self._devices = devices
        self._shown: list[RoundShown] = []
        self._now = ""
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """A line above the table, which starts with the first progress."""
        click.echo(text)

    def progress(self, text: str) -> None:
        """See `View`."""
        self._now = text
        self._draw()

    def round(self, shown: RoundShown) -> None:
        """See `View`."""
        self._shown.append(shown)
        self._draw()

    def close(self) -> None:
        """See `View`."""
        if self._live is not None:
            self._now = ""
            self._draw()
            self._live.stop()

    def _left(self) -> str:
        """Time left, guessed from the last rounds; the first holds the start of everything."""
        recent = [one.seconds for one in self._shown[1:][-LOOK_BACK_ROUNDS:]]
        if not recent:
            return ""
        left_s = (self._rounds - len(self._shown)) * sum(recent) / len(recent)
        return f"about {left_s:.0f} s left  "

    def _draw(self) -> None:
        table = Table(box=None, pad_edge=False)
        for heading in ("round", "who took part", "accuracy", "", "finality", "time"):
            table.add_column(heading)
        for one in self._shown[-self.ROWS_MAX :]:
            took_part = "".join("●" if i in one.accounts else "·" for i in range(self._devices))
            bar = ProgressBar(total=1.0, completed=one.accuracy, width=BAR_CHARS)
            times = (_ms(one.finality_ms), f"{one.seconds:.1f} s")
            table.add_row(str(one.number), took_part, f"{one.accuracy:.3f}", bar, *times)
        done = len(self._shown)
        overall = ProgressBar(total=self._rounds, completed=done, width=BAR_CHARS)
        if self._live is None:
            self._live = Live(refresh_per_second=8, transient=False)
            self._live.start()
        self._live.update(
            Group(table, Text(f"{done} of {self._rounds} rounds  {self._left()}{self._now}"), overall)
        )


def _ms(value: int | None) -> str:
    return "-" if value is None else f"{value} ms"


def make_view(rounds: int, devices: int) -> View:
    """Live on a terminal, plain elsewhere."""
    return LiveView(rounds, devices) if sys.stdout.isatty() else PlainView()


def show_table(facts: Mapping[str, object]) -> None:
    """The one table at the end."""
    width = max(len(name) for name in facts)
    click.echo()
    for name, value in facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        click.echo(f"  {name.replace('_', ' '):<{width}}  {shown}")
