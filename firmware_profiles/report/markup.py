"""The pieces of a page. Every text that comes in is escaped here, and only here; what goes out is HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from firmware_profiles.report.chart import Chart, Table
from firmware_profiles.report.findings import Finding
from firmware_profiles.report.palette import DARK, LIGHT, css_variables

Picture = Callable[[Chart], str]
"""Draws a chart as an element; `canvas.svg`."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of the page with what is below it, in HTML. Without parts it says why there is nothing."""

    anchor: str
    title: str
    parts: Sequence[str]
    empty: str = "Nothing to show."


def page(
    title: str, lead: Sequence[str], tiles: Sequence[tuple[str, str]], sections: Iterable[Section]
) -> str:
    """A whole document that loads nothing."""
    some = list(sections)
    paragraphs = "\n".join(
        f'<p class="{"verdict" if number == 0 else "lead"}">{_text(one)}</p>'
        for number, one in enumerate(lead)
    )
    links = "\n".join(f'<a href="#{one.anchor}">{_text(one.title)}</a>' for one in some)
    boxes = "\n".join(f"<div><dd>{_text(value)}</dd><dt>{_text(what)}</dt></div>" for value, what in tiles)
    body = "\n".join(_section(one) for one in some)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{_text(title)}</title>
<style>
{style()}</style>
</head>
<body>
<main>
<header>
<h1>{_text(title)}</h1>
{paragraphs}
<dl class="tiles">
{boxes}
</dl>
<nav aria-label="Sections">
{links}
</nav>
</header>
{body}
</main>
</body>
</html>
"""


def style() -> str:
    """Both palettes as variables, then `page.css`."""
    rules = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {css_variables(DARK)} }} }}"
    return f":root {{ {css_variables(LIGHT)} }}\n{dark}\n{rules}"


def figure(chart: Chart, picture: Picture) -> str:
    """A plot with its sentence and, folded away, its numbers."""
    return (
        f'<figure id="plot-{chart.name}">\n<h3>{_text(chart.title)}</h3>\n'
        f'<div class="plot" tabindex="0">{picture(chart)}</div>\n'
        f"<figcaption>{_text(chart.note)}</figcaption>\n{folded('The numbers', chart.table)}\n</figure>"
    )


def folded(title: str, table: Table) -> str:
    """A table that opens on demand."""
    return f"<details><summary>{_text(title)}</summary>\n{shown(table)}\n</details>"


def shown(table: Table, caption: str = "") -> str:
    """A table; the first cell of each row is its heading."""
    kind = "table words" if table.is_words else "table"
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.header)
    rows = "\n".join(_row(row) for row in table.rows)
    title = f"<caption>{_text(caption)}</caption>" if caption else ""
    return (
        f'<div class="{kind}" tabindex="0"><table>{title}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def paragraph(text: str) -> str:
    """A paragraph of running text."""
    return f"<p>{_text(text)}</p>"


def advice(found: Sequence[Finding]) -> str:
    """What went wrong, the worst first, each with what to do about it."""
    items = "\n".join(f"<li><strong>{_text(one.what)}</strong> {_text(one.advice)}</li>" for one in found)
    return f'<ol class="advice">\n{items}\n</ol>'


def _row(cells: Sequence[str]) -> str:
    rest = "".join(f"<td>{_text(cell)}</td>" for cell in cells[1:])
    return f'<tr><th scope="row">{_text(cells[0])}</th>{rest}</tr>'


def _section(one: Section) -> str:
    body = "\n".join(one.parts) or f'<p class="empty">{_text(one.empty)}</p>'
    return f'<section id="{one.anchor}">\n<h2>{_text(one.title)}</h2>\n{body}\n</section>'


def _text(text: str) -> str:
    """Escaped; what cannot be written as UTF-8 becomes a question mark."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))
