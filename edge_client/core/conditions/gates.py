"""The gates: one function each, from readings and limits to a verdict. All must be open before training
begins and while it goes on. What an unknown reading means stands at each gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from edge_client.core.conditions.limits import GATES, MINUTES_A_DAY, Limits
from edge_client.core.conditions.prediction import LOTS, MJ_PER_WH, Prediction
from edge_client.core.conditions.readings import NEVER, Conditions, Reading, Unknown, known

MINUTE_MS = 60_000
DAY_MS = 86_400_000
MB = 1_000_000
DAY_PARTS = 8
"""Over so many parts of the owner's hours the rounds of a day are spread."""
RESUME_BELOW_C = 5
BELOW_TRIP_C = 10
PRESSURE_RESUME_SHARE = 0.5
"""Work goes on when the pressure is below this share of its limit: a pause alone takes our own part away."""
MEMORY_FREE_PCT_MIN = 10
ROUND_PCT_UNKNOWN = 5
"""Of the battery, kept back for a round whose energy, or the battery's, nobody knows."""
FULL_PCT = 95.0
"""A battery that is fed is full, whatever is missing to 100."""
UNDER_VOLTAGE, THROTTLED, SOFT_LIMIT = 1 << 0, 1 << 2, 1 << 3
"""Bits of the Raspberry Pi firmware that are about now; those from 16 on only say that it once was so."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says: the reading and the threshold in words, when it will open (Unix ms) if that can be
    known, and the value at which a reading that changes slowly would open it."""

    gate: str
    open: bool
    reading: str
    threshold: str
    forecast_ms: int | None = None
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What gates look at: the board, the owner's limits, what a round will cost, the time, whether training
    goes on right now, and whether this gate was closed the last time."""

    conditions: Conditions
    limits: Limits
    prediction: Prediction | None
    now_ms: int
    training: bool
    closed: bool = False
    rounds_ended_ms: tuple[int, ...] = ()
    """Ends of the last rounds, oldest first."""
    lots: tuple[int, ...] = ()
    """What was drawn for the pause after each of them, see `Spent`; left out: the mean."""


Gate: TypeAlias = Callable[[Asked], Verdict]


def owner(asked: Asked) -> Verdict:
    """The owner's switch, and his `pause`."""
    until_ms = asked.conditions.paused_until_ms
    paused = until_ms > asked.now_ms
    reading = "paused" if paused else "enabled" if asked.limits.enabled else "switched off"
    forecast = until_ms if paused and until_ms != NEVER and asked.limits.enabled else None
    return Verdict("owner", asked.limits.enabled and not paused, reading, "enabled, not paused", forecast)


def hours(asked: Asked) -> Verdict:
    """The owner's hours. Unknown time, or a clock known to be wrong: closed, unless all hours are allowed."""
    start, end = asked.limits.window
    threshold = asked.limits.hours
    if (start, end) == (0, MINUTES_A_DAY):
        return Verdict("hours", True, "any", threshold)
    minute = asked.conditions.local_minute
    if isinstance(minute, Unknown):
        return Verdict("hours", False, _text(minute), threshold)
    if known(asked.conditions.time_synced) is False:
        return Verdict("hours", False, "the clock is not in sync", threshold)
    inside = start <= minute < end if start < end else minute >= start or minute < end
    wait_ms = (start - minute) % MINUTES_A_DAY * MINUTE_MS
    forecast = None if inside else asked.now_ms + wait_ms
    return Verdict("hours", inside, f"{minute // 60:02}:{minute % 60:02}", threshold, forecast)


def rounds(asked: Asked) -> Verdict:
    """The rounds of a day, spread over the owner's hours: in each eighth of them (`DAY_PARTS`) an eighth of
    the rounds, one at least, and never more than all in 24 hours. A fleet whose devices spend them all in the
    morning learns nothing in the evening; but who is asked is drawn by lot, and lots come in clumps. Never
    closed on a running round."""
    most = asked.limits.rounds_a_day
    count = max(1, most // DAY_PARTS)
    start, end = asked.limits.window
    pause_ms = ((end - start) % MINUTES_A_DAY or MINUTES_A_DAY) * MINUTE_MS * count // most
    # What seems to be to come was written while the clock was ahead: it says nothing of this day.
    lots = asked.lots or (LOTS // 2,) * len(asked.rounds_ended_ms)
    past = sorted(one for one in zip(asked.rounds_ended_ms, lots, strict=True) if one[0] <= asked.now_ms)
    opens_ms, reading = 0, f"{len(past)} yet"
    if len(past) >= count:
        since_ms, lot = past[-count]
        pause_ms = _drawn_ms(lot, pause_ms)
        opens_ms, reading = since_ms + pause_ms, f"{count} in {(asked.now_ms - since_ms) // MINUTE_MS} min"
    if len(past) >= most:
        opens_ms = max(opens_ms, past[-most][0] + DAY_MS)
    is_open = asked.training or opens_ms <= asked.now_ms
    threshold = f"at most {count} in {pause_ms // MINUTE_MS} min, {most} a day"
    return Verdict("rounds", is_open, reading, threshold, None if is_open else opens_ms)


def _drawn_ms(lot: int, mean_ms: int) -> int:
    """Half to one and a half of the mean, by lot: devices that were switched on together, or came back
    together, would ask for the same rounds for days, and leave others empty."""
    return round(mean_ms * (0.5 + lot / LOTS))


def power(asked: Asked) -> Verdict:
    """Mains, or charge enough for a whole round. No battery known: mains. With a battery, unknown mains: not
    there; unknown charge: too low without mains. The owner's floor holds on mains, too: a panel in the
    morning or a weak adapter may feed less than training takes."""
    seen, limits = asked.conditions, asked.limits
    if not seen.has_battery:
        return Verdict("power", True, "no battery is seen", "-")
    if known(seen.mains) is True:
        return _fed(asked)
    if limits.require_mains is not False:
        return Verdict("power", False, f"on battery, {_text(seen.battery_pct, '%')}", "mains")
    charge = seen.battery_pct
    if asked.training:
        threshold, least = f"at least {limits.battery_stop_pct}%", float(limits.battery_stop_pct)
    else:
        least = max(float(limits.battery_start_pct), limits.battery_stop_pct + round_pct(asked))
        threshold = f"at least {least:.0f}%"
    is_open = not isinstance(charge, Unknown) and charge >= least
    return Verdict("power", is_open, f"on battery, {_text(charge, '%')}", threshold, target=least)


def _fed(asked: Asked) -> Verdict:
    """On mains: from the floor on, and to begin with a round above it, so that a board whose panel feeds
    almost enough does not begin and stop all morning."""
    charge = asked.conditions.battery_pct
    above_pct = 0.0 if asked.training else round_pct(asked)
    least = min(FULL_PCT, asked.limits.battery_stop_pct + above_pct)
    is_open = isinstance(charge, Unknown) or charge >= least
    reading = f"mains, battery {_text(charge, '%')}"
    return Verdict("power", is_open, reading, f"at least {least:.0f}%", target=least)


def round_pct(asked: Asked) -> float:
    """How much of the battery a round will take."""
    capacity_wh = known(asked.conditions.battery_wh)
    energy_mj = None if asked.prediction is None else asked.prediction.energy_mj
    if not capacity_wh or energy_mj is None:
        return ROUND_PCT_UNKNOWN
    return 100 * energy_mj / (capacity_wh * MJ_PER_WH)


def temperature(asked: Asked) -> Verdict:
    """The hottest zone; the limit keeps away from where the system itself slows down. Unknown: open, for such
    a board protects itself or has nothing to protect."""
    trip_c = known(asked.conditions.trip_c)
    limit = float(asked.limits.temperature_c_max)
    if trip_c is not None:
        limit = min(limit, trip_c - BELOW_TRIP_C)
    limit -= RESUME_BELOW_C if asked.closed else 0
    return _below("temperature", asked.conditions.temperature_c, limit, " °C")


def throttling(asked: Asked) -> Verdict:
    """The firmware's word on under-voltage, throttling and its soft temperature limit. Unknown: open."""
    bits = asked.conditions.throttled_bits
    if isinstance(bits, Unknown):
        return Verdict("throttling", True, _text(bits), "none now")
    names = (
        (UNDER_VOLTAGE, "under-voltage"),
        (THROTTLED, "throttled"),
        (SOFT_LIMIT, "soft temperature limit"),
    )
    now = [name for bit, name in names if bits & bit]
    return Verdict("throttling", not now, ", ".join(now) or "none", "none now")


def link(asked: Asked) -> Verdict:
    """No training for a link that costs money. Unknown: open; readers call modems metered by themselves."""
    metered, kind = asked.conditions.metered, asked.conditions.link
    if isinstance(metered, Unknown):
        return Verdict("link", True, _text(metered), "not metered")
    allowed = asked.limits.metered or not metered
    reading = f"{_text(kind)}, {'metered' if metered else 'not metered'}"
    return Verdict("link", allowed, reading, "any" if asked.limits.metered else "not metered")


def data(asked: Asked) -> Verdict:
    """Bytes of this month and of the round to come. Unknown: closed, a cap nobody counts is none."""
    used, limits = asked.conditions.month_bytes, asked.limits
    metered = known(asked.conditions.metered) is True
    cap_mb = limits.data_cap_metered_mb if metered else limits.data_cap_mb
    threshold = f"at most {cap_mb} MB a month"
    if isinstance(used, Unknown):
        return Verdict("data", False, _text(used), threshold)
    coming = 0 if asked.prediction is None or asked.training else asked.prediction.traffic_bytes
    is_open = used + coming <= cap_mb * MB
    ends_ms = asked.conditions.month_ends_ms
    forecast = None if is_open or ends_ms == NEVER else ends_ms
    return Verdict("data", is_open, f"{used / MB:.1f} MB + {coming / MB:.1f} MB", threshold, forecast)


def cpu(asked: Asked) -> Verdict:
    """Others wait for the processor. Unknown: open."""
    return _pressure("cpu", asked.conditions.cpu_pressure_pct, asked.limits.cpu_pressure_pct_max, asked)


def memory(asked: Asked) -> Verdict:
    """Others wait for memory, or hardly any is left. Unknown: open; the agent has a limit of its own."""
    free = known(asked.conditions.memory_free_pct)
    if free is not None and free < MEMORY_FREE_PCT_MIN:
        return Verdict("memory", False, f"{free:.0f}% free", f"at least {MEMORY_FREE_PCT_MIN}% free")
    pressure = asked.conditions.memory_pressure_pct
    return _pressure("memory", pressure, asked.limits.memory_pressure_pct_max, asked)


def io(asked: Asked) -> Verdict:
    """Others wait for the disk. Unknown: open."""
    return _pressure("io", asked.conditions.io_pressure_pct, asked.limits.io_pressure_pct_max, asked)


def disk(asked: Asked) -> Verdict:
    """Room for what the agent keeps. Unknown: closed, for what is learned must be written."""
    free, used, limits = asked.conditions.disk_free_pct, asked.conditions.disk_used_bytes, asked.limits
    least, most = limits.disk_free_pct_min, limits.disk_mb_max
    threshold = f"at least {least}% free, at most {most} MB used"
    if isinstance(free, Unknown) or isinstance(used, Unknown):
        return Verdict("disk", False, _text(free if isinstance(free, Unknown) else used), threshold)
    is_open = free >= least and used <= most * MB
    return Verdict("disk", is_open, f"{free:.0f}% free, {used / MB:.1f} MB used", threshold)


def _pressure(gate: str, reading: Reading[float], limit: int, asked: Asked) -> Verdict:
    return _below(gate, reading, limit * (PRESSURE_RESUME_SHARE if asked.closed else 1), "%")


def _below(gate: str, reading: Reading[float], limit: float, unit: str) -> Verdict:
    is_open = isinstance(reading, Unknown) or reading <= limit
    return Verdict(gate, is_open, _text(reading, unit), f"at most {limit:.0f}{unit}", target=limit)


def _text(reading: Reading[float] | Reading[str], unit: str = "") -> str:
    if isinstance(reading, Unknown):
        return f"unknown: {reading.reason}"
    return reading if isinstance(reading, str) else f"{reading:.0f}{unit}"


ALL: tuple[Gate, ...] = (
    *(owner, hours, rounds, power, temperature, throttling),
    *(link, data, cpu, memory, io, disk),
)


def verdicts(asked: Asked, closed: frozenset[str]) -> tuple[Verdict, ...]:
    """What each gate says; `closed` names those that were closed the last time. Ignored ones are open."""
    found = []
    for name, gate in zip(GATES, ALL, strict=True):
        verdict = gate(replace(asked, closed=True) if name in closed else asked)
        if name in asked.limits.ignore:
            verdict = Verdict(name, True, verdict.reading, f"ignored: {verdict.threshold}")
        found.append(verdict)
    return tuple(found)
