"""One comparison as one HTML page that loads nothing; its pieces are those of a rehearsal's page."""

from __future__ import annotations

from collections.abc import Iterable

from firmware_profiles.compare import table
from firmware_profiles.compare.charts import figures, moved
from firmware_profiles.compare.curves import curves
from firmware_profiles.compare.facts import ComparedFacts
from firmware_profiles.compare.policies import Policy
from firmware_profiles.compare.scores import AS_GIVEN_NAME, Score
from firmware_profiles.report import words
from firmware_profiles.report.canvas import svg
from firmware_profiles.report.chart import Chart, Table
from firmware_profiles.report.markup import Picture, Section, figure, page, paragraph, shown


def page_of_comparison(facts: ComparedFacts, picture: Picture = svg) -> str:
    """The page; `picture` draws the plots."""
    at = facts.circumstances
    title = f"{at.title}: policies compared"
    lead = [verdict(facts), _second_sentence(facts)]
    return page(title, lead, _tiles(facts), _sections(facts, picture))


def charts_of_comparison(facts: ComparedFacts) -> tuple[Chart, ...]:
    """Every plot that the facts allow, in the order of the page."""
    return (*figures(facts), *curves(facts), *moved(facts.comparison))


def verdict(facts: ComparedFacts) -> str:
    """Ours against each other policy, the worst of all settings; or that ours was not rehearsed."""
    parts = []
    for other, hours, joules in facts.comparison.against_others():
        parts.append(
            f"{words.decimal(hours)} times the time, {words.decimal(joules)} times the joules of {other}"
        )
    if not parts:
        names = dict.fromkeys(one.policy.value for one in facts.comparison.scores)
        return f"{', '.join(names)} on the same fleet; there is nothing to hold against each other."
    worst = "" if len(facts.comparison.settings) == 1 else "in its worst setting "
    return f"To the same accuracy, ours takes {worst}{'; '.join(parts)}."


def _second_sentence(facts: ComparedFacts) -> str:
    rows = facts.comparison.scores
    late = [
        f"{one.policy.value} in {words.count(one.runs - one.reached)} of {words.count(one.runs)}"
        for one in _given(facts)
        if one.reached < one.runs
    ]
    never = f" Never came to it with the fleet as given: {', '.join(late)} runs." if late else ""
    breaks: dict[Policy, int] = {}
    for one in rows:
        breaks[one.policy] = breaks.get(one.policy, 0) + one.floor_breaks
    named = ", ".join(f"{words.count(number)} by {policy.value}" for policy, number in breaks.items())
    runs = words.counted(sum(one.runs for one in rows), "run", "runs")
    return f"{runs}.{never} Batteries below their owner's floor while the board trained, all runs: {named}."


def _tiles(facts: ComparedFacts) -> list[tuple[str, str]]:
    """Time and joules to the accuracy, for each policy and the fleet as given."""
    boards = max(1, facts.circumstances.devices)
    tiles = []
    for one in _given(facts):
        sign = "" if one.reached == one.runs else "> "
        name = one.policy.value
        tiles.append((f"{sign}{words.decimal(one.hours, 1)} h", f"{name}: time to the accuracy"))
        tiles.append(
            (f"{sign}{words.energy(one.joules / boards)}", f"{name}: energy a board, to the accuracy")
        )
    return tiles


def _given(facts: ComparedFacts) -> list[Score]:
    return [one for one in facts.comparison.scores if one.setting == AS_GIVEN_NAME]


def _sections(facts: ComparedFacts, picture: Picture) -> Iterable[Section]:
    def drawn(charts: Iterable[Chart]) -> list[str]:
        return [figure(chart, picture) for chart in charts]

    yield Section("figures", "Side by side", drawn(figures(facts)))
    yield Section("learning", "How they learned", drawn(curves(facts)), "No model was measured.")
    yield Section(
        "moved",
        "Parameters moved",
        drawn(moved(facts.comparison)),
        "None was moved; --moved-seeds 1 moves battery, sun, drop-out and rate by 30 % both ways.",
    )
    legend = [paragraph(one) for one in table.legend(facts.comparison)]
    tables = [shown(_table(facts, one), table.setting(one)) for one in facts.comparison.settings]
    yield Section("table", "All figures", [*legend, *tables])
    yield Section("run", "How it was run", [shown(_circumstances(facts))])


def _table(facts: ComparedFacts, setting: str) -> Table:
    rows = [one for one in facts.comparison.scores if one.setting == setting]
    header = [title for title, _ in table.COLUMNS]
    return Table.of(header, ([show(one) for _, show in table.COLUMNS] for one in rows))


def _circumstances(facts: ComparedFacts) -> Table:
    at = facts.circumstances
    wall_ms = 1000 * sum(one.wall_s for one in facts.outcomes)
    rows = (
        ("fleet", words.name(at.fleet)),
        ("command", at.command),
        ("boards", words.count(at.devices)),
        ("rehearsed time of each run", f"{at.hours:g} h"),
        (
            "seeds",
            f"1 to {at.seeds}; with a parameter moved 1 to {at.moved_seeds}"
            if at.moved_seeds
            else f"1 to {at.seeds}",
        ),
        ("training", "real: LiteRT trains every update"),
        ("all runs together took", words.duration(wall_ms)),
        ("software", words.name(at.software)),
    )
    return Table.of(("what", "value"), rows, is_words=True)
