"""From a chart to SVG inside a page, or to a PNG file. The only module that sets up matplotlib.

No `pyplot`, so there is no state between two figures, and no window.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from firmware_profiles.report.chart import Chart
from firmware_profiles.report.palette import INK, LIGHT, LINE, MUTED, PAPER

WIDTH_IN = 8.0
PNG_DPI = 160
STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a group may be called `$x`
    "axes.facecolor": "none",
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0,
    "figure.facecolor": PAPER,
    "svg.fonttype": "none",  # texts stay texts: searchable, and in the page's font
    "svg.hashsalt": "edge-fleet",  # the same figure twice is the same text
}
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
_TAG = re.compile(r"<[^>]*>")
_NUMBER = re.compile(r"(\d\.\d\d)\d+")
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r"#([A-Za-z][\w.-]*)")
_NAMES = {value: f"var(--{name})" for name, value in LIGHT.items()}
_COLOUR = re.compile("|".join(_NAMES), re.IGNORECASE)
_SIZE = re.compile(r'<svg [^>]*viewBox="([^"]*)"[^>]*>')


def svg(chart: Chart) -> str:
    """An `<svg>` element for HTML: colours are CSS variables, ids are unique in a page, nothing is loaded."""
    buffer = io.StringIO()
    _save(chart, buffer, format="svg", transparent=True, metadata=_NO_METADATA)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = _own_ids(_TAG.sub(_short_numbers, text), chart.name)
    text = _COLOUR.sub(lambda match: _NAMES[match[0].lower()], text)
    label = html.escape(f"{chart.title}. {chart.note}")
    head = f'role="img" aria-label="{label}"'
    return _SIZE.sub(lambda match: f'<svg viewBox="{match[1]}" {head}>', text, count=1).strip()


def png(chart: Chart) -> bytes:
    """The same figure on white, as the content of a file."""
    buffer = io.BytesIO()
    _save(chart, buffer, format="png", dpi=PNG_DPI)
    return buffer.getvalue()


def _save(chart: Chart, target: io.BytesIO | io.StringIO, **options: Any) -> None:
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A script that DejaVu lacks is still right in a browser; a very flat figure is still a figure.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        figure = Figure(figsize=(WIDTH_IN, chart.height_in), layout="constrained")
        chart.draw(figure)
        figure.savefig(target, **options)


def _short_numbers(tag: re.Match[str]) -> str:
    """Coordinates with two digits; what stands between tags is for readers and stays."""
    return _NUMBER.sub(r"\1", tag[0])


def _own_ids(text: str, name: str) -> str:
    """Ids that nothing points to go, the others say which figure they are of."""
    wanted = set(_REFERENCE.findall(text))
    text = _ID.sub(lambda match: f' id="{name}-{match[1]}"' if match[1] in wanted else "", text)
    return re.sub(r'(url\(|href=")#', rf"\1#{name}-", text)
