"""The page of a rehearsal."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.run_records import a_record

pytest.importorskip("matplotlib")

from firmware_profiles.commands.report import report
from firmware_profiles.report.canvas import svg
from firmware_profiles.report.charts_chain import finality
from firmware_profiles.report.page import page_of_run
from firmware_profiles.report.record import RunRecord

SECTIONS = (
    "learning",
    "participation",
    "gates",
    "boards",
    "bytes",
    "finality",
    "rewards",
    "refusals",
    "faults",
    "run",
)
SIZE_MAX = 3_000_000
VOID = ("meta", "br", "link", "img", "hr")
SCRIPT = "<script>alert(1)</script>"


class Checker(HTMLParser):
    """Collects ids and tags, and stops at a tag that is closed by another."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def blank(_chart: object) -> str:
    return "<svg></svg>"


def test_the_page_has_every_section_and_says_the_result_first() -> None:
    text = page_of_run(a_record(), blank)
    assert set(SECTIONS) <= set(Checker(text).ids)
    assert "200 boards, 24 h: 24 rounds, accuracy 0.93, no battery under the owner&#x27;s floor" in text


def test_an_empty_rehearsal_has_the_same_sections() -> None:
    none: dict[str, int] = {}
    record = replace(a_record(), rounds=(), groups=(), participation=(), traces=(), faults=(), labels=none)
    record = replace(record, final_accuracy=None, bytes_up=none, bytes_down=none, refusals=none, fates=none)
    text = page_of_run(record, blank)
    assert set(SECTIONS) <= set(Checker(text).ids)
    assert "accuracy not known" in text


def test_names_from_a_fleet_are_text() -> None:
    record = a_record(title=SCRIPT, fleet=SCRIPT, policy=SCRIPT, refusals={SCRIPT: 1}, labels={SCRIPT: 1})
    record = replace(record, groups=tuple(replace(one, name=SCRIPT) for one in record.groups))
    text = page_of_run(record, blank)
    assert "script" not in Checker(text).tags
    assert "&lt;script&gt;" in text


def test_a_plot_takes_its_colours_from_the_page() -> None:
    chart = finality(a_record())[0]
    drawn = svg(chart)
    assert "var(--blue)" in drawn
    assert "#0072b2" not in drawn
    assert 'role="img"' in drawn


@pytest.mark.slow
def test_a_large_fleet_makes_a_small_page_that_loads_nothing() -> None:
    record = a_record(10_000, 10, 300)
    odd = ("$x^", SCRIPT, "电池", "a\\1b", "\ud800", "")
    named = tuple(replace(one, name=name) for one, name in zip(record.groups, odd, strict=False))
    record = replace(record, groups=(*named, *record.groups[len(odd) :]))
    text = page_of_run(record)
    assert len(text.encode()) < SIZE_MAX
    ids = Checker(text).ids
    assert len(ids) == len(set(ids))
    assert not re.search(r"(src|href)=\"(?!#)|@import|url\((?!#)", text)
    assert "script" not in Checker(text).tags


@pytest.mark.slow
def test_the_command_makes_page_and_plots_from_facts(tmp_path: Path) -> None:
    facts = tmp_path / "report.json"
    record = a_record()
    facts.write_text(record.to_json())
    assert RunRecord.from_json(facts.read_text()) == record
    done = CliRunner().invoke(report, [str(facts), "--png", str(tmp_path / "png")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "png" / "accuracy-time.png").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}'])
def test_what_is_no_report_is_a_mistake_of_the_user(tmp_path: Path, text: str) -> None:
    facts = tmp_path / "report.json"
    facts.write_text(text)
    done = CliRunner().invoke(report, [str(facts)])
    assert done.exit_code == 2
    assert "report.json of a rehearsal" in done.output
