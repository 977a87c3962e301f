"""A board as its agent finds it: the models of charge, heat, sun, link and use, put together.

Nothing happens between two changes that a formula does not give: `advance` goes from change to change, and
`next_change` says when the next reading crosses a limit that a gate asks about.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

from edge_client.core.conditions.gates import BELOW_TRIP_C, RESUME_BELOW_C, SOFT_LIMIT
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.readings import NOT_READ, Conditions
from firmware_profiles.profiles.battery import Battery
from firmware_profiles.profiles.board import Board
from firmware_profiles.twin.charge import MAINS, NOTHING, WH_J, Charge, Store, Supply
from firmware_profiles.twin.heat import Heat, Load
from firmware_profiles.twin.presence import DAY_S, Pattern
from firmware_profiles.twin.radio import Radio
from firmware_profiles.twin.sun import Sun

SLACK_SHARE = 0.0005
"""Of the battery; so much may the link draw before crossings are computed anew: less than a gauge shows."""
HORIZON_S = DAY_S
"""No further does `next_change` look for the battery; whoever asks again then sees on."""
USED_PRESSURE_PCT = 90.0
"""While the owner uses the board, others wait for the processor so much of the time."""
RESTART_SHARE = 0.05
"""A board whose battery was empty starts again with so much in it, or on mains."""
MONTH_D = 30
FLOOR_TOLERANCE_PCT = 0.5
"""A gate needs up to a second, or a step, to stop the work."""
FREE_PCT = 50.0


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a board has: its profile, a link, perhaps a battery that is `battery_scale` as large, and the time
    of a step of the fleet's model at full speed."""

    profile: Board
    radio: Radio
    step_ms: float
    battery: Battery | None = None
    battery_scale: float = 1.0
    battery_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What happens to a board. `sun`: it lives of a panel; else of mains, while all patterns of `plugged` are
    on. `used`: the owner uses it. Their time counts from `midnight_ms`, a local one."""

    midnight_ms: int
    ambient_c: float | None = None
    sun: Sun | None = None
    plugged: tuple[Pattern, ...] = ()
    used: Pattern | None = None


class TwinBoard:
    """The board of a `TwinDevice`; times in ms of the fleet's clock."""

    def __init__(self, equipment: Equipment, around: Surroundings, limits: Limits, now_ms: int) -> None:
        profile = equipment.profile
        self.equipment = equipment
        self.dead_count = 0
        self.is_alive = True
        self._around = around
        self._limits = limits
        self._time_s = self._seconds(now_ms)
        self._heat = Heat(profile.thermal, around.ambient_c)
        self._charge = _full(equipment)
        self._energy_j = 0.0
        self.training_j, self.radio_j = 0.0, 0.0
        """Of the whole, what work and link took."""
        self.floor_breaks = 0
        """How often work went on below the owner's floor of the battery."""
        self._is_below = False
        self._month_bytes = 0
        self._month = 0
        self._works = False
        self._keepalive_w = 0.0
        self._ahead_s: float | None = None
        self._drawn_j = 0.0
        self._floors = tuple(one / 100 for one in (limits.battery_start_pct, limits.battery_stop_pct))
        used = around.used
        self._patterns: tuple[Pattern, ...] = (*around.plugged, *(() if used is None else (used,)))
        self._load = self._new_load()
        resting_c = self._heat.settles_c(self._load.base_w)
        self._course = self._heat.course(resting_c, self._load, self._time_s)

    # --- what the device asks -----------------------------------------------------------------------------

    @property
    def energy_mj(self) -> float:
        """Of the whole board since its start: idle, work, link and tails."""
        return self._energy_j * 1000

    @property
    def ms_per_step(self) -> float:
        """At the present speed."""
        return self.equipment.step_ms / self._speed

    @property
    def battery_share(self) -> float | None:
        """State of charge, 0 to 1."""
        return None if self._charge is None else self._charge.share

    @property
    def battery_v(self) -> float | None:
        """Voltage of a cell, by the battery's curve."""
        battery = self.equipment.battery
        return None if battery is None or self._charge is None else battery.curve.at(self._charge.share)

    @property
    def temperature_c(self) -> float:
        """Of the processor."""
        return self._course.temperature_c(self._time_s)

    def foreseen(self, at_ms: int) -> tuple[float | None, float]:
        """State of charge (None without a battery) and temperature at a time from the last `advance` up to
        `next_change`, between which nothing turns; to look at only, nothing happens."""
        at_s, charge = self._seconds(at_ms), self._charge
        temperature_c = self._course.temperature_c(at_s)
        if charge is None:
            return None, temperature_c
        later = Charge(charge.store, charge.share)
        later.advance(self._time_s, at_s, self._load.watts(self._speed), self._supply())
        return later.share, temperature_c

    @property
    def has_mains(self) -> bool:
        """Whether it is fed from outside right now, by mains or by more sun than it needs."""
        supply_w = self._supply().watts(self._time_s)
        return supply_w > self._load.watts(self._speed)

    def advance(self, now_ms: int) -> None:
        """Let everything happen up to now."""
        until_s = self._seconds(now_ms)
        while self._time_s < until_s:
            self._pass(min(until_s, self._next_s()))
        month = int(self._time_s // (MONTH_D * DAY_S))
        if month != self._month:
            self._month, self._month_bytes = month, 0

    def work(self, *, on: bool) -> None:
        """Training begins or ends."""
        if on != self._works:
            self._works = on
            self._reload()

    def hold(self, *, on: bool) -> None:
        """A connection is up from now on, or is not: keeping it alive takes energy."""
        keepalive_w = self.equipment.radio.keepalive_w if on else 0.0
        if keepalive_w != self._keepalive_w:
            self._keepalive_w = keepalive_w
            self._reload()

    def radio(self, up_bytes: int, down_bytes: int) -> None:
        """So much goes over the link now."""
        self._month_bytes += up_bytes + down_bytes
        self._draw(self.equipment.radio.transfer(down_bytes, up_bytes, self._time_s).energy_j)

    def next_change(self) -> int | None:
        """When a reading crosses a limit that a gate asks about, or the speed changes, or the power goes or
        comes, if nothing else happens."""
        first_s = self._next_s()
        return None if first_s == inf else self._around.midnight_ms + ceil(first_s * 1000)

    def conditions(self) -> Conditions:
        """What the agent's readers would find, as of the last `advance`."""
        equipment, charge, used = self.equipment, self._charge, self._around.used
        speed, trip_c = self._speed, self._heat.trip_c
        month_s = (self._month + 1) * MONTH_D * DAY_S
        return Conditions(
            has_battery=charge is not None,
            mains=True if charge is None else self.has_mains,
            battery_pct=NOT_READ if charge is None else 100 * charge.share,
            battery_wh=NOT_READ if charge is None else charge.store.capacity_j / WH_J,
            power_w=self._load.watts(speed),
            temperature_c=self.temperature_c,
            trip_c=NOT_READ if trip_c is None else trip_c,
            throttled_bits=SOFT_LIMIT if self._works and speed < 1 else 0,
            cpu_pressure_pct=USED_PRESSURE_PCT if used is not None and used.on else 0.0,
            memory_pressure_pct=0.0,
            memory_free_pct=FREE_PCT,
            io_pressure_pct=0.0,
            link=equipment.radio.link.kind.value,
            metered=equipment.radio.link.metered,
            month_bytes=self._month_bytes,
            month_ends_ms=self._around.midnight_ms + month_s * 1000,
            disk_free_pct=FREE_PCT,
            disk_used_bytes=0,
            time_synced=True,
            local_minute=int(self._time_s % DAY_S // 60),
        )

    # --- the models ---------------------------------------------------------------------------------------

    def _seconds(self, now_ms: int) -> float:
        return (now_ms - self._around.midnight_ms) / 1000

    def _new_load(self) -> Load:
        power, used = self.equipment.profile.power, self._around.used
        one_core_w = power.one_core_w - power.idle.typical
        if not self.is_alive:
            return Load(0.0, 0.0)
        base_w = power.idle.typical + self.equipment.radio.standby_w + self._keepalive_w
        base_w += one_core_w if used is not None and used.on else 0.0
        return Load(base_w, one_core_w if self._works else 0.0)

    def _supply(self) -> Supply:
        around = self._around
        if around.sun is not None:
            return around.sun
        return MAINS if all(one.on for one in around.plugged) else NOTHING

    @property
    def _speed(self) -> float:
        return self._course.speed(self._time_s)

    def _reload(self) -> None:
        self._load = self._new_load()
        self._course = self._heat.course(self.temperature_c, self._load, self._time_s)
        self._ahead_s = None

    def _next_s(self) -> float:
        """When the load or the supply changes by itself, or a reading crosses a limit."""
        phase_s = self._course.next_phase_s(self._time_s)
        return min([phase_s, self._look_ahead_s(), *[one.next_s for one in self._patterns]])

    def _look_ahead_s(self) -> float:
        """The next crossing; computed once for each load, supply and charge."""
        if self._ahead_s is None or self._ahead_s <= self._time_s:
            self._ahead_s = min([*self._heat_crossings_s(), self._charge_crossing_s()])
            self._drawn_j = 0.0
        return self._ahead_s

    def _charge_crossing_s(self) -> float:
        """When the charge crosses one of the owner's floors, the board dies or comes back, or the sun begins
        or ceases to carry it."""
        charge = self._charge
        if charge is None:
            return inf
        if self.is_alive and not charge.level_j and not self.has_mains:
            return self._time_s
        load_w, supply = self._load.watts(self._speed), self._supply()
        span_s = (self._time_s, self._time_s + HORIZON_S)
        shares = (*self._floors, 0.0 if self.is_alive else RESTART_SHARE)
        crossing_s = charge.crosses_s(shares, span_s, load_w, supply)
        return min([crossing_s, span_s[1], *supply.turns_s(*span_s, load_w)[:1]])

    def _heat_crossings_s(self) -> list[float]:
        limit_c = float(self._limits.temperature_c_max)
        if self._heat.trip_c is not None:
            limit_c = min(limit_c, self._heat.trip_c - BELOW_TRIP_C)
        return [self._crossed_s(threshold_c) for threshold_c in (limit_c, limit_c - RESUME_BELOW_C)]

    def _crossed_s(self, threshold_c: float) -> float:
        """When, after now, the temperature goes through a threshold. The course goes one way only, so a
        crossing that lies behind does not come again."""
        found_s = self._course.crosses_s(threshold_c)
        return found_s if found_s > self._time_s else inf

    def _pass(self, until_s: float) -> None:
        """A span of time in which nothing turns, and the turn at its end."""
        load = self._load
        load_w = load.watts(self._speed)
        before_s, self._time_s = self._time_s, until_s
        self._energy_j += load_w * (until_s - before_s)
        self.training_j += (load_w - load.base_w) * (until_s - before_s)
        self.radio_j += self._keepalive_w * (until_s - before_s) if self.is_alive else 0.0
        if self._charge is not None:
            self._charge.advance(before_s, until_s, load_w, self._supply())
        self._draw(self.equipment.radio.tail_j(before_s, until_s) if self.is_alive else 0.0)
        self._watch_floor()
        due = [one for one in self._patterns if one.next_s <= until_s]
        for one in due:
            one.advance(until_s)
        if due:
            self._reload()
        if self._lives_or_dies():
            self._reload()
        elif not due and self._course.next_phase_s(before_s) <= until_s:
            self._ahead_s = None

    def _draw(self, energy_j: float) -> None:
        """Energy that the link takes at once."""
        self._energy_j += energy_j
        self.radio_j += energy_j
        if energy_j and self._charge is not None and not self.has_mains:
            self._charge.level_j = max(0.0, self._charge.level_j - energy_j)
            self._drawn_j += energy_j
            if self._drawn_j > SLACK_SHARE * self._charge.store.capacity_j:
                self._ahead_s = None

    def _watch_floor(self) -> None:
        was_below, charge = self._is_below, self._charge
        floor_pct = self._limits.battery_stop_pct - FLOOR_TOLERANCE_PCT
        self._is_below = self._works and charge is not None and 100 * charge.share < floor_pct
        self.floor_breaks += self._is_below and not was_below

    def _lives_or_dies(self) -> bool:
        """Whether the power has just gone or come back."""
        charge, was_alive = self._charge, self.is_alive
        if charge is None:
            self.is_alive = self._supply() is not NOTHING
        elif was_alive:
            self.is_alive = charge.level_j > 0 or self.has_mains
        else:
            self.is_alive = charge.share >= RESTART_SHARE or self._supply() is MAINS
        self.dead_count += was_alive and not self.is_alive
        return was_alive != self.is_alive


def _full(equipment: Equipment) -> Charge | None:
    battery = equipment.battery
    if battery is None:
        return None
    capacity_j = battery.usable_wh * WH_J * equipment.battery_scale
    store = Store(capacity_j, battery.charge_power.typical, battery.charge_share.typical)
    return Charge(store, equipment.battery_share)
