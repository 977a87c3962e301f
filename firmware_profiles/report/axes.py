"""What several plots draw alike: time along the bottom, bars, grids of cells, marks of faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter

from firmware_profiles.report.palette import BLUE, INK, LINE, MUTED, SERIES
from firmware_profiles.report.words import HOUR_MS, MINUTE_MS

TICKS_MAX = 9
STEPS = (1, 2, 3, 5, 6, 10, 12, 15, 20, 24, 30, 48, 60, 72, 96, 120, 168)
MINUTES_UP_TO_MS = 3 * HOUR_MS
"""A longer axis is in hours."""
SHADES = 5
"""Of a cell; the darkest is the largest value."""
ALPHA_MAX = 0.7
"""Of the darkest shade: figures written into a cell stay legible."""
ROUND_TOPS = (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10)
"""First digits of the value that the darkest shade goes up to, so that the legend has short numbers."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time along an axis, in hours or, for what is short, minutes."""

    span_ms: int

    @property
    def unit(self) -> str:
        """As it stands on the axis."""
        return "min" if self.span_ms <= MINUTES_UP_TO_MS else "h"

    def at(self, ms: float) -> float:
        """In that unit."""
        return ms / (MINUTE_MS if self.unit == "min" else HOUR_MS)

    def words(self, ms: float) -> str:
        """A moment, for tables."""
        return f"{self.at(ms):,.1f} {self.unit}"

    def lay(self, axes: Axes, label: str = "time since the start") -> None:
        """Along the bottom of a plot, with round ticks."""
        end = max(self.at(self.span_ms), 1e-3)
        step = next((one for one in STEPS if end / one <= TICKS_MAX), max(1, round(end / TICKS_MAX)))
        axes.set_xlim(0, end)
        axes.set_xticks([step * number for number in range(int(end / step) + 1)])
        axes.set_xlabel(f"{label} ({self.unit})")


def separated(value: float, _position: int | None = None) -> str:
    """A number along an axis: `250,000`, `0.125`."""
    return f"{value:,.10g}"


def bars(axes: Axes, names: Sequence[str], series: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Horizontal bars, first name on top; several series lie below each other, with a legend."""
    height = 0.76 / len(series)
    for number, (label, values) in enumerate(series):
        offset = (number - (len(series) - 1) / 2) * height
        places = [row + offset for row in range(len(names))]
        axes.barh(places, list(values), height * 0.92, color=SERIES[number], label=label)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(FuncFormatter(separated))
    if len(series) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.0), ncols=len(series), borderaxespad=-2)


def cells(axes: Axes, rows: Sequence[str], values: Sequence[Sequence[float]], width: float) -> float:
    """A grid of cells `width` wide, first row on top, the larger the darker, none for 0. Returns the value
    that the darkest goes up to.

    All cells of one shade are one path, so that a grid of thousands stays small.
    """
    top = _round_top(max((value for row in values for value in row), default=0))
    shades: dict[int, list[Path]] = {}
    for number, row in enumerate(values):
        for column, value in enumerate(row):
            if value > 0 and top > 0:
                shade = max(1, -int(-value * SHADES // top))
                shades.setdefault(min(shade, SHADES), []).append(_cell(column * width, number, width))
    for shade, paths in sorted(shades.items()):
        path = Path.make_compound_path(*paths)
        axes.add_patch(PathPatch(path, facecolor=BLUE, alpha=_alpha(shade), edgecolor="none"))
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, width * max((len(row) for row in values), default=1))
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(visible=False)
    return top


def shade_legend(axes: Axes, top: float, unit: str) -> None:
    """Which shade means how much, above the grid."""
    patches = [
        PathPatch(_cell(0, 0, 1), facecolor=BLUE, alpha=_alpha(shade), edgecolor="none")
        for shade in range(1, SHADES + 1)
    ]
    labels = [f"≤ {top * shade / SHADES:,.3g}" for shade in range(1, SHADES + 1)]
    axes.legend(
        patches, labels, title=unit, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=SHADES,
        handlelength=1.2, columnspacing=1.2, alignment="left", borderaxespad=0.3,
    )  # fmt: skip


def ticks_at(axes: Axes, kinds: Sequence[tuple[str, Sequence[float]]]) -> None:
    """A row of short strokes for each kind of event; each row is one path."""
    for row, (_, moments) in enumerate(kinds):
        xs = [value for at in moments for value in (at, at, float("nan"))]
        ys = [value for _ in moments for value in (row - 0.36, row + 0.36, float("nan"))]
        axes.plot(xs, ys, color=SERIES[(row + 1) % len(SERIES)], linewidth=1.1)
    axes.set_yticks(range(len(kinds)), [label for label, _ in kinds])
    axes.set_ylim(len(kinds) - 0.4, -0.6)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)


def quiet_lines(axes: Axes, moments: Sequence[float]) -> None:
    """Thin lines down the whole plot, behind everything else."""
    for at in moments:
        axes.axvline(at, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), alpha=0.6, zorder=0.5)


def level(axes: Axes, value: float) -> None:
    """A line across the plot at a value of the bottom axis, behind everything else."""
    axes.axvline(value, color=MUTED, linewidth=1.1, linestyle=(0, (4, 2)), zorder=0.6)


def reference(axes: Axes, value: float, label: str) -> None:
    """A level to compare with, named at its right end."""
    axes.axhline(value, color=LINE, linewidth=1.2, linestyle=(0, (4, 2)), zorder=0.6)
    axes.annotate(
        label, (1, value), xycoords=("axes fraction", "data"), xytext=(0, -2), textcoords="offset points",
        ha="right", va="top", fontsize=8, color=MUTED,
    )  # fmt: skip


def _alpha(shade: int) -> float:
    return ALPHA_MAX * shade / SHADES


def _round_top(value: float) -> float:
    """The next larger round number; 0 stays 0."""
    if value <= 0:
        return 0
    magnitude = 10.0 ** floor(log10(value))
    enough = value * (1 - 1e-9) / magnitude
    return magnitude * next((one for one in ROUND_TOPS if one >= enough), ROUND_TOPS[-1])


def _cell(left: float, row: int, width: float) -> Path:
    gap = 0.04
    right, top, bottom = left + width, row - 0.5 + gap, row + 0.5 - gap
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return Path(corners, closed=True)
