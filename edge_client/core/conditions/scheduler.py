"""Whether the board may work now, and how much: the gates with their memory."""

from __future__ import annotations

from dataclasses import replace

from edge_client.core.conditions.gates import MINUTE_MS, Asked, Verdict, verdicts
from edge_client.core.conditions.limits import POWER_GATE, Limits
from edge_client.core.conditions.prediction import (
    MJ_PER_WH,
    NOT_COUNTED,
    Budget,
    Calibration,
    Cost,
    Spent,
    predict,
    steps_that_fit,
)
from edge_client.core.conditions.readings import NOT_READ, Conditions, Reading, known

READ_AGE_MS_MAX = 120_000
"""Older readings open no gate; the shell reads four times as often."""
UNREAD = ("unread",)
"""Stands for the closed gates while nothing has been read."""
COSTS_MAX = 20
TREND_MS_MIN, TREND_MS_MAX = 60_000, 900_000
"""A forecast needs readings so far apart, and looks back no further."""


class Scheduler:
    """Holds the last readings, which gates they closed, and what rounds have cost."""

    def __init__(self, limits: Limits, past: tuple[Spent, ...] = ()) -> None:
        """`past` are earlier rounds, oldest first: the last `COSTS_MAX`, and all of the last 24 hours."""
        self._limits = limits
        self._past = tuple(one for one in past if one.cost != NOT_COUNTED)[-COSTS_MAX:]
        self._day = past[-limits.rounds_a_day :]
        self._conditions: Conditions | None = None
        self._calibration: Calibration | None = None
        self.prediction = predict(self._past)
        """What the next round will cost."""
        self._read_ms = 0
        self._trends = {"temperature": Trend(), "power": Trend()}
        self.verdicts: tuple[Verdict, ...] = ()
        self.closed: tuple[str, ...] = UNREAD
        """Names of the closed gates; `unread` while nothing has been read."""

    @property
    def link(self) -> Reading[str]:
        """The kind of link as last read."""
        return NOT_READ if self._conditions is None else self._conditions.link

    @property
    def opens_ms(self) -> int | None:
        """When the last of the closed gates will open, Unix ms; None when that cannot be known."""
        forecasts = [verdict.forecast_ms for verdict in self.verdicts if not verdict.open]
        known_ms = [forecast for forecast in forecasts if forecast is not None]
        return max(known_ms, default=None) if len(known_ms) == len(forecasts) else None

    @property
    def last_lot(self) -> int:
        """What was drawn for the last pause, 0 before the first: the next is drawn from it, and so depends
        neither on the moment nor on the number of a round."""
        return self._day[-1].lot if self._day else 0

    def read(self, conditions: Conditions, training: bool, now_ms: int) -> None:
        """Take new readings and ask all gates."""
        self._conditions, self._read_ms = conditions, now_ms
        if conditions.calibration != self._calibration:
            self._calibration = conditions.calibration
            self.prediction = predict(self._past, self._calibration)
        self._trends["temperature"].add(known(conditions.temperature_c), now_ms)
        self._trends["power"].add(known(conditions.battery_pct), now_ms)
        self._judge(conditions, training, now_ms)

    def _judge(self, conditions: Conditions, training: bool, now_ms: int) -> None:
        asked = Asked(
            conditions,
            self._limits,
            self.prediction,
            now_ms,
            training,
            rounds_ended_ms=tuple(one.ended_ms for one in self._day),
            lots=tuple(one.lot for one in self._day),
        )
        found = verdicts(asked, frozenset(self.closed))
        self.verdicts = tuple(self._with_forecast(verdict, now_ms) for verdict in found)
        self.closed = tuple(verdict.gate for verdict in found if not verdict.open)

    def is_open(self, now_ms: int) -> bool:
        """Whether all gates are open by readings that are not too old."""
        return not self.closed and now_ms - self._read_ms <= READ_AGE_MS_MAX

    def steps_max(self, round_s: int) -> int | None:
        """How much work fits into the session, the round and the battery; None without a known limit."""
        time_ms = min(self._limits.session_min * MINUTE_MS, round_s * 1000)
        return steps_that_fit(self.prediction, Budget(time_ms, self._energy_mj()))

    def completed(self, cost: Cost) -> Cost:
        """The cost, where nobody metered its training with the energy that steps took when somebody did."""
        prediction = self.prediction
        if cost.energy_mj is not None or prediction is None or prediction.mj_per_step is None:
            return cost
        return replace(cost, energy_mj=round(prediction.mj_per_step * cost.steps))

    def foretold(self, spent: Spent) -> Spent:
        """With what was predicted of it."""
        prediction = self.prediction
        if prediction is None or prediction.steps is None:
            return spent
        energy_mj, traffic_bytes = prediction.energy_mj, prediction.traffic_bytes
        return replace(spent, predicted_mj=energy_mj, predicted_bytes=traffic_bytes)

    def spent(self, spent: Spent) -> None:
        """A round is over: it counts among those of the day at once, not only with the next reading."""
        if spent.cost != NOT_COUNTED:
            self._past = (*self._past, spent)[-COSTS_MAX:]
        self.prediction = predict(self._past, self._calibration)
        self._day = (*self._day, spent)[-self._limits.rounds_a_day :]
        if self._conditions is not None:
            self._judge(self._conditions, training=False, now_ms=spent.ended_ms)

    def _energy_mj(self) -> int | None:
        """What the battery gives down to its floor; None on mains, for an unknown battery, and when the owner
        lets the gate be ignored that guards the floor."""
        seen = self._conditions
        if (
            POWER_GATE in self._limits.ignore
            or seen is None
            or not seen.has_battery
            or known(seen.mains) is True
        ):
            return None
        charge, capacity_wh = known(seen.battery_pct), known(seen.battery_wh)
        if charge is None or capacity_wh is None:
            return None
        return round(max(0.0, charge - self._limits.battery_stop_pct) / 100 * capacity_wh * MJ_PER_WH)

    def _with_forecast(self, verdict: Verdict, now_ms: int) -> Verdict:
        trend, target = self._trends.get(verdict.gate), verdict.target
        if verdict.open or trend is None or target is None:
            return verdict
        return replace(verdict, forecast_ms=trend.reaches(target, now_ms))


class Trend:
    """Where a reading is heading, from an earlier one and the last."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._last: tuple[int, float] | None = None

    def add(self, value: float | None, now_ms: int) -> None:
        """Take a reading; an unknown one begins anew."""
        if value is None:
            self._first = self._last = None
            return
        self._last = (now_ms, value)
        if self._first is None or now_ms - self._first[0] > TREND_MS_MAX:
            self._first = self._last

    def reaches(self, target: float, now_ms: int) -> int | None:
        """When the reading will be `target` if it goes on like this; None if it never will."""
        if self._first is None or self._last is None:
            return None
        span_ms, change = self._last[0] - self._first[0], self._last[1] - self._first[1]
        missing = target - self._last[1]
        if span_ms < TREND_MS_MIN or not change or missing / change < 0:
            return None
        return now_ms + round(missing / change * span_ms)
