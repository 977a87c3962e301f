"""Colours of pages and plots, for light and for dark screens.

Plots are drawn in the light ones. In a page, each of them is a CSS variable, so that a plot follows the
reader's screen. The colour-blind can tell series apart (after Okabe and Ito).
"""

from __future__ import annotations

LIGHT = {
    "paper": "#fdfdfc",
    "panel": "#f4f4f1",
    "ink": "#1b1f24",
    "muted": "#5b6570",
    "line": "#d5d7d3",
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#00866a",
    "purple": "#a3518c",
    "yellow": "#b97f00",
    "sky": "#3a9bd6",
}
DARK = {
    "paper": "#14171a",
    "panel": "#1d2125",
    "ink": "#e8eaec",
    "muted": "#a3adb7",
    "line": "#3a4047",
    "blue": "#58b2ee",
    "orange": "#ff9354",
    "green": "#3ccfa4",
    "purple": "#e29bd0",
    "yellow": "#f0bd45",
    "sky": "#9ad4f7",
}
PAPER, INK, MUTED, LINE = (LIGHT[name] for name in ("paper", "ink", "muted", "line"))
BLUE, ORANGE = LIGHT["blue"], LIGHT["orange"]
SERIES = tuple(LIGHT[name] for name in ("blue", "orange", "green", "purple", "yellow", "sky"))
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (9, 2)), (0, (3, 3)))
"""Lines differ in more than colour."""


def css_variables(colours: dict[str, str]) -> str:
    """As declarations: `--ink: #1b1f24; …`."""
    return " ".join(f"--{name}: {value};" for name, value in colours.items())
