"""Profiles and fleets as text in columns and as plain values for JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from edge_client.core.conditions.limits import Limits
from firmware_profiles.catalogue import Catalogue
from firmware_profiles.profiles.board import Board
from firmware_profiles.profiles.figure import Curve, Fact, Figure, Provenance
from firmware_profiles.profiles.fleet import PATTERNS, Fleet

LINE_WIDTH = 100
SOURCE_INDENT = "    "


def catalogue_lines(catalogue: Catalogue) -> list[str]:
    """One line for each board, link and battery, with typical figures."""
    boards = [
        (name, f"{board.cpu.cores.typical:.0f}", f"{board.memory.ram.typical:.0f}", _marked(board.step.mlp),
         _marked(board.step.cnn), _marked(board.power.idle), _marked(board.power.load))
        for name, board in catalogue.boards.items()
    ]  # fmt: skip
    links = [
        (name, _marked(link.rate_down), _marked(link.rate_up), _marked(link.rtt), _marked(link.energy_up),
         "metered" if link.metered else "")
        for name, link in catalogue.links.items()
    ]  # fmt: skip
    batteries = [
        (name, _marked(battery.capacity), f"~{battery.usable_wh:.1f} Wh", _marked(battery.charge_power))
        for name, battery in catalogue.batteries.items()
    ]
    return [
        *_columns(("board", "cores", "MiB", "mlp step", "cnn step", "idle", "all cores"), boards),
        "",
        *_columns(("link", "down", "up", "round trip", "energy up", ""), links),
        "",
        *_columns(("battery", "capacity", "reaches the board", "charging"), batteries),
        "",
        "~ is estimated or recalled, not read or measured. Sources: --board NAME, or --json",
    ]


def board_lines(board: Board, catalogue: Catalogue) -> list[str]:
    """Every figure of a board, its links and batteries, each with its source below."""
    lines = [board.title, *_with_sources(board, "")]
    for what, names, known in (
        ("link", board.links, catalogue.links),
        ("battery", board.batteries, catalogue.batteries),
    ):
        for name in names:
            part = known[name]
            lines += ["", f"{what} {name}: {part.title}", *_with_sources(part, "")]
    return lines


def plain(value: Any) -> Any:
    """Dataclasses as dicts, enums as their words; for `json.dumps`."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value


def _marked(figure: Figure) -> str:
    """The figure, with a sign when nobody has read or measured it."""
    return f"{figure}" if figure.provenance in (Provenance.MEASURED, Provenance.PUBLISHED) else f"~{figure}"


def _with_sources(value: Any, prefix: str) -> list[str]:
    rows = list(_figures(value, prefix))
    width = max((len(name) for name, _ in rows), default=0)
    shown = max((len(str(figure)) for _, figure in rows), default=0)
    lines = []
    for name, figure in rows:
        lines.append(f"  {name:<{width}}  {figure!s:<{shown}}  {figure.provenance.value}")
        lines += textwrap.wrap(
            figure.source,
            LINE_WIDTH,
            initial_indent=SOURCE_INDENT,
            subsequent_indent=SOURCE_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def _figures(value: Any, prefix: str) -> Iterator[tuple[str, Figure | Curve | Fact]]:
    """Every sourced value inside, by its dotted key."""
    if isinstance(value, (Figure, Curve, Fact)):
        yield prefix, value
    elif isinstance(value, tuple):
        for number, one in enumerate(value, 1):
            yield from _figures(one, f"{prefix}.{number}")
    elif is_dataclass(value):
        for field in fields(value):
            yield from _figures(getattr(value, field.name), f"{prefix}.{field.name}".lstrip("."))


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]


def fleet_names(fleets: Mapping[str, Fleet]) -> list[str]:
    """One line for each fleet."""
    rows = [
        (name, str(fleet.devices), str(fleet.job.rounds_a_day), str(fleet.job.k), fleet.title)
        for name, fleet in fleets.items()
    ]
    return _columns(("fleet", "devices", "rounds a day", "updates a round", ""), rows)


def fleet_lines(fleet: Fleet) -> list[str]:
    """Job, groups, and every figure with its source."""
    job = ", ".join(f"{name} {value}" for name, value in plain(fleet.job).items())
    rows = [
        (group.name, str(size), group.board, group.link, group.feed.value, group.battery or "-",
         " ".join(f"{kind}: {getattr(group, kind)}" for kind in PATTERNS if getattr(group, kind)))
        for group, size in zip(fleet.groups, fleet.sizes(), strict=True)
    ]  # fmt: skip
    lines = [f"{fleet.title} ({fleet.devices} devices, seed {fleet.seed})", f"job: {job}", ""]
    lines += _columns(("group", "devices", "board", "link", "feed", "battery", "patterns"), rows)
    lines += ["", "limits that owners have changed:"]
    lines += [f"  {group.name}: {_changed(group.limits)}" for group in fleet.groups]
    parts: dict[str, Any] = {"faults": fleet.faults, "sites": fleet.sites, "weather": fleet.weather}
    parts |= {f"pattern {name}": rhythm for name, rhythm in fleet.patterns.items()}
    parts |= {f"group {group.name}": group for group in fleet.groups}
    for title, part in parts.items():
        lines += ["", title, *_with_sources(part, "")] if any(_figures(part, "")) else []
    return lines


def _changed(limits: Limits) -> str:
    told = [
        f"{field.name} = {plain(getattr(limits, field.name))}"
        for field in fields(limits)
        if getattr(limits, field.name) != field.default
    ]
    return ", ".join(told) or "none"
