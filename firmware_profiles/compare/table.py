"""The comparison as text for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from firmware_profiles.compare.scores import Comparison, Score

COLUMNS: tuple[tuple[str, Callable[[Score], str]], ...] = (
    ("policy", lambda one: one.policy.value),
    ("reached", lambda one: f"{one.reached}/{one.runs}"),
    ("hours to it", lambda one: _at_least(one, one.hours, 1)),
    ("joules to it", lambda one: _at_least(one, one.joules, 0)),
    ("all joules", lambda one: f"{one.joules_whole_run:,.0f}"),
    ("accuracy", lambda one: f"{one.final_accuracy:.3f}"),
    ("MB", lambda one: f"{one.megabytes:,.1f}"),
    ("under floor", lambda one: str(one.floor_breaks)),
    ("empty", lambda one: str(one.empty_batteries)),
    ("updates", lambda one: f"{one.updates:,.0f}"),
    ("lost", lambda one: f"{one.lost:,.0f}"),
    ("devices", lambda one: f"{one.trained:,.0f}"),
    ("fair: labels", lambda one: f"{one.fairness_labels:.2f}"),
    ("boards", lambda one: f"{one.fairness_boards:.2f}"),
)


def lines(comparison: Comparison) -> list[str]:
    """The table, what its words mean, and ours against the others."""
    rows = [[title for title, _ in COLUMNS]]
    breaks: dict[int, str] = {}
    for setting in comparison.settings:
        breaks[len(rows)] = setting
        rows += [[show(one) for _, show in COLUMNS] for one in comparison.scores if one.setting == setting]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    shown = []
    for number, row in enumerate(rows):
        if number in breaks:
            shown.append(f"{breaks[number]}:")
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        shown.append("  " + "  ".join(cells))
    return [*shown, "", *legend(comparison), *_ratios(comparison)]


def setting(name: str) -> str:
    """A setting in words: `battery x0.7` is `battery at 70 %`."""
    moved, times, factor = name.partition(" x")
    return f"{moved} at {float(factor):.0%}".replace("%", " %") if times else name


def legend(comparison: Comparison) -> list[str]:
    """What the words of the table mean."""
    return [
        f"it: {comparison.target_share:.0%} of what {comparison.reference.value} ends with in its situation.",
        ">: some runs never came to it; they count with all they used. Joules: all devices, beside idling.",
        "lost: updates that were not included. fair: Jain's index of included updates; 1 is even.",
    ]


def _ratios(comparison: Comparison) -> Sequence[str]:
    return [
        f"ours against {other}, worst of all settings: {hours:.2f} of the time, {joules:.2f} of the joules"
        for other, hours, joules in comparison.against_others()
    ]


def _at_least(score: Score, value: float, digits: int) -> str:
    sign = "" if score.reached == score.runs else ">"
    return f"{sign}{value:,.{digits}f}"
