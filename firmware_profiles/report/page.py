"""One rehearsal as one HTML page that can be read from a disk, without a network and in ten years."""

from __future__ import annotations

from collections.abc import Iterable

from firmware_profiles.report import charts_boards, charts_chain, charts_learning, tables
from firmware_profiles.report.canvas import svg
from firmware_profiles.report.chart import Chart
from firmware_profiles.report.findings import findings
from firmware_profiles.report.markup import (
    Picture,
    Section,
    advice,
    figure,
    folded,
    page,
    paragraph,
    shown,
)
from firmware_profiles.report.record import RunRecord
from firmware_profiles.report.verdict import key_figures, second_sentence, verdict


def page_of_run(record: RunRecord, picture: Picture = svg) -> str:
    """The page; `picture` draws the plots."""
    lead = [verdict(record), second_sentence(record)]
    return page(record.title, lead, key_figures(record), _sections(record, picture))


def charts_of_run(record: RunRecord) -> tuple[Chart, ...]:
    """Every plot that the facts allow, in the order of the page."""
    return (
        *charts_learning.learning(record),
        *charts_boards.participation(record),
        *charts_boards.gates(record),
        *charts_boards.batteries(record),
        *charts_boards.temperatures(record),
        *charts_chain.traffic(record),
        *charts_chain.finality(record),
        *charts_boards.rewards(record),
    )


def _sections(record: RunRecord, picture: Picture) -> Iterable[Section]:
    def drawn(charts: Iterable[Chart]) -> list[str]:
        return [figure(chart, picture) for chart in charts]

    found = findings(record)
    none = "Nothing went wrong that these facts show."
    yield Section("first", "Look at this first", [advice(found)] if found else [], none)
    yield Section("learning", "Learning", drawn(charts_learning.learning(record)), "No round was closed.")
    groups = [shown(tables.groups(record), "Groups of the fleet")] if record.groups else []
    yield Section("participation", "Who took part", [*drawn(charts_boards.participation(record)), *groups])
    yield Section(
        "gates", "Gates that were closed", drawn(charts_boards.gates(record)), "No gate was ever closed."
    )
    traced = (*charts_boards.batteries(record), *charts_boards.temperatures(record))
    yield Section("boards", "Boards looked at closely", drawn(traced), "No board was looked at closely.")
    yield Section("bytes", "Bytes", drawn(charts_chain.traffic(record)), "Nothing was sent.")
    yield Section("finality", "Finality", drawn(charts_chain.finality(record)), "No round was timed.")
    yield Section("rewards", "Rewards", drawn(charts_boards.rewards(record)), "No update was included.")
    yield Section("refusals", "Refusals", _refusals(record), "Nobody refused anything.")
    yield Section("faults", "Faults injected", _faults(record), "Nothing was broken on purpose.")
    yield Section("run", "How it was run", [shown(tables.circumstances(record))])


def _refusals(record: RunRecord) -> list[str]:
    parts = []
    if record.fates:
        parts.append(shown(tables.reasons(record.fates, "fate"), "What became of updates"))
    if record.refusals:
        parts.append(
            shown(tables.reasons(record.refusals, "who: reason"), "What was not accepted, by reason")
        )
    return parts


def _faults(record: RunRecord) -> list[str]:
    if not record.fault_counts:
        return []
    note = "They are marked along the axis of the accuracy over time."
    kinds = shown(tables.fault_kinds(record), "How many of each kind")
    return [paragraph(note), kinds, folded("Fault by fault", tables.faults(record))]
