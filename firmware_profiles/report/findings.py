"""What went wrong most in a rehearsal, in words, and which setting to change.

Each check weighs what it found from 0 to 1 by the share of boards or of work that it cost; a promise to an
owner that was broken weighs most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge_client.core.events import Fate
from firmware_profiles.report import measures, words
from firmware_profiles.report.record import GroupFacts, RunRecord
from firmware_profiles.report.words import HOUR_MS

SHOWN_MAX = 3
WEIGHT_MIN = 0.03
"""Less is not worth a reader's time."""
EVEN = 0.85
"""Jain's index from which shares count as even."""
FELL = 0.03
"""A model that ends so far below the best one has unlearned; less is chance."""
GOOD = 0.8
RADIO_SHARE = 0.9
ABOVE_ALL = 1.0
GATES: Mapping[str, str] = {
    "owner": "Their owners paused them or switched them off: limits.enabled.",
    "hours": "Allow more of the day: limits.hours.",
    "rounds": "Allow more rounds a day: limits.rounds_a_day.",
    "power": "Begin at a lower charge (limits.battery_start_pct), do not ask for mains"
    " (limits.require_mains = false), or give them a larger panel or battery.",
    "temperature": "Cool them better, or raise limits.temperature_c_max.",
    "throttling": "Cool them better, or feed them with a stronger supply.",
    "link": "Allow metered links: limits.metered = true.",
    "data": "Allow more data a month: limits.data_cap_mb, limits.data_cap_metered_mb.",
    "cpu": "Their owners use them; allow more beside: limits.cpu_pressure_pct_max, or limits.hours at night.",
    "memory": "Allow more memory: limits.memory_mb_max, limits.memory_pressure_pct_max.",
    "io": "Allow more load on the disk: limits.io_pressure_pct_max.",
    "disk": "Free some disk, or allow more of it: limits.disk_mb_max, limits.disk_free_pct_min.",
}
"""What opens each gate; keys of a group's `limits` in the fleet file and of `[limits]` on a board."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, in a sentence, and what to change."""

    weight: float
    what: str
    advice: str


def findings(record: RunRecord) -> list[Finding]:
    """The few that weigh most, the worst first; none if all went well."""
    found = [one for check in CHECKS if (one := check(record)) is not None and one.weight >= WEIGHT_MIN]
    return sorted(found, key=lambda one: -one.weight)[:SHOWN_MAX]


def floors(record: RunRecord) -> Finding | None:
    """A battery that was below its owner's floor while the board trained: what may never be."""
    number = measures.floor_breaks(record)
    if not number:
        return None
    worst = max(record.groups, key=lambda one: one.floor_breaks)
    return Finding(
        ABOVE_ALL + number / max(1, record.devices),
        f"Boards trained with {_batteries(number)} below the owner's floor, most of all in {_group(worst)}.",
        "Raise limits.battery_start_pct, so that a round fits above the floor; or lower limits.session_min.",
    )


def no_rounds(record: RunRecord) -> Finding | None:
    """Nothing was learned."""
    if record.rounds:
        return None
    return Finding(
        ABOVE_ALL,
        f"No round was closed in {words.duration(record.span_ms)}.",
        "Rehearse longer (--hours), or ask for less: job.min_updates lower, job.selected higher.",
    )


def idle_boards(record: RunRecord) -> Finding | None:
    """Boards that made no update, and the gate that kept most of them."""
    groups = [one for one in record.groups if one.trained < one.devices]
    idle = sum(one.devices - one.trained for one in groups)
    if not idle:
        return None
    worst = max(groups, key=lambda one: one.devices - one.trained)
    hours = record.span_ms / HOUR_MS
    gate = max(worst.gates_closed_h, key=lambda one: worst.gates_closed_h[one], default="")
    closed_h = worst.gates_closed_h.get(gate, 0.0) / worst.devices
    what = (
        f"{words.counted(idle, 'board', 'boards')} of {words.count(record.devices)} never trained, most of"
        f" them in {_group(worst)} ({words.count(worst.devices - worst.trained)} of"
        f" {words.count(worst.devices)})."
    )
    if not closed_h:
        advice = (
            "No gate kept them: they were out of reach or not drawn; raise job.selected, or rehearse longer."
        )
    else:
        kept = f"The gate {words.name(gate)} was closed there for {closed_h:.1f} of {hours:.1f} h."
        advice = f"{kept} {GATES.get(gate, '')}".rstrip()
    return Finding(idle / max(1, record.devices), what, advice)


def dead_boards(record: RunRecord) -> Finding | None:
    """Batteries that ran empty, training or not."""
    number = measures.empty_batteries(record)
    if not number:
        return None
    worst = max(record.groups, key=lambda one: one.empty_batteries)
    return Finding(
        min(ABOVE_ALL, 0.1 + number / max(1, record.devices)),
        f"{_batteries(number, first=True)} ran empty, most of all in {_group(worst)}.",
        'The board needs more than it is given: a larger panel or battery; mqtt.sleep = "always" and a higher'
        " limits.battery_stop_pct leave it more.",
    )


def work_in_vain(record: RunRecord) -> Finding | None:
    """Updates that were made and did not count."""
    lost = measures.lost_updates(record)
    made = lost + record.fates.get(Fate.INCLUDED.value, 0)
    if not lost:
        return None
    reasons = {fate: times for fate, times in record.fates.items() if fate not in measures.KEPT}
    reason = max(reasons, key=lambda one: reasons[one])
    late = (
        "Rounds close before boards are ready: ask fewer of them (job.selected), or give rounds longer"
        " (job.rounds_a_day lower)."
    )
    refused = "See the refusals below; liars of the fleet file (faults.byzantine) are refused on purpose."
    return Finding(
        lost / made,
        f"{words.counted(lost, 'update', 'updates')} of {words.count(made)} came to nothing, mostly:"
        f" {words.name(reason)}.",
        refused if reason.startswith("refused") else late,
    )


def poor_model(record: RunRecord) -> Finding | None:
    """A model that is poor, or worse than it was; nothing where updates do not answer this model."""
    known = [one.accuracy for one in record.rounds if one.accuracy is not None]
    if not known or record.training != "real":
        return None
    best, last = max(known), known[-1]
    if last < best - FELL:
        what = f"Accuracy fell from {best:.3f} to {last:.3f}."
        advice = (
            "Single rounds are noisy; more updates in each (job.selected, job.k) or job.learning_rate lower."
        )
        return Finding(min(ABOVE_ALL, 2 * (best - last)), what, advice)
    if last < GOOD:
        rounds = words.counted(len(known), "round", "rounds")
        what = f"After {rounds} the model is right in {words.percent(last)} only."
        return Finding(
            0.8 * (GOOD - last), what, "More rounds (--hours, job.rounds_a_day) or job.epochs higher."
        )
    return None


def uneven(record: RunRecord) -> Finding | None:
    """Labels or groups that are hardly heard."""
    by_label, by_board = measures.fairness_of_labels(record), measures.fairness_of_boards(record)
    if by_label is not None and by_label < EVEN and (by_board is None or by_label <= by_board):
        label = min(record.labels, key=lambda one: record.labels[one])
        what = f"Labels are heard unevenly (evenness {by_label:.2f}); least of all {words.name(label)}."
        return Finding(
            EVEN - by_label, what, "Let boards that have it train more often: their limits, job.selected."
        )
    if by_board is not None and by_board < EVEN:
        worst = min(record.groups, key=lambda one: one.included / max(1, one.devices))
        what = f"Boards take part unevenly (evenness {by_board:.2f}); least of all {_group(worst)}."
        return Finding(EVEN - by_board, what, "Look at the gates of that group below, and at its limits.")
    return None


def radio(record: RunRecord) -> Finding | None:
    """Nearly all energy went into being connected."""
    radio_j = sum(one.joules_radio for one in record.groups)
    if not record.joules or radio_j / record.joules < RADIO_SHARE:
        return None
    worst = max(record.groups, key=lambda one: one.joules_radio / max(1, one.devices))
    a_board = words.energy(worst.joules_radio / max(1, worst.devices))
    return Finding(
        radio_j / record.joules - RADIO_SHARE,
        f"{words.percent(radio_j / record.joules)} of the energy of training and radio is the radio's;"
        f" most of all in {_group(worst)} ({a_board} a board).",
        'Fewer rounds a day there (limits.rounds_a_day), mqtt.sleep = "always", or a link that takes less.',
    )


def _group(group: GroupFacts) -> str:
    return f"'{words.name(group.name)}'"


def _batteries(number: int, *, first: bool = False) -> str:
    """`3 batteries`; at the beginning of a sentence `A battery` rather than `1 battery`."""
    return "A battery" if first and number == 1 else words.counted(number, "battery", "batteries")


CHECKS: tuple[Callable[[RunRecord], Finding | None], ...] = (
    floors,
    no_rounds,
    idle_boards,
    dead_boards,
    work_in_vain,
    poor_model,
    uneven,
    radio,
)
