"""What the next round will cost, from what the last ones did and what `calibrate` measured; and how much work
fits into a budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

NEWEST_SHARE = 0.3
"""Weight of the newest round in the moving average: a change of board or data is half seen after two."""
MJ_PER_WH = 3_600_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What a round did cost: training time, energy of the whole board meanwhile (None without a meter), what
    went over the network since the round before, and the energy of the radio for it, which is computed."""

    steps: int
    train_ms: int
    energy_mj: int | None
    up_bytes: int
    down_bytes: int
    radio_mj: int = 0

    @property
    def total_mj(self) -> int | None:
        """Of training and radio; None when the one is unknown."""
        return None if self.energy_mj is None else self.energy_mj + self.radio_mj


LOTS = 1 << 32


NOT_COUNTED = Cost(0, 0, None, 0, 0)
"""Of a round that was worked on and came to nothing: nobody summed up what it took."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What the round that ended then did cost, and what was predicted of it (None: nothing). `lot`, below
    `LOTS`, was drawn for the pause after it."""

    ended_ms: int
    cost: Cost
    predicted_mj: int | None = None
    predicted_bytes: int | None = None
    lot: int = LOTS // 2


@dataclass(frozen=True, slots=True)
class Calibration:
    """A step as it was measured at `at_ms` (Unix): its time, and the energy of the whole board meanwhile, as
    in `Cost` (None without a meter)."""

    at_ms: int
    ms_per_step: float
    mj_per_step: float | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Averages over rounds, the newest counting most. Energy is None until a meter was there, `steps` (of a
    round) until there was one."""

    ms_per_step: float
    mj_per_step: float | None
    steps: float | None
    up_bytes: float
    down_bytes: float
    radio_mj: float = 0.0

    @property
    def traffic_bytes(self) -> int:
        """Of the next round, both directions."""
        return round(self.up_bytes + self.down_bytes)

    @property
    def energy_mj(self) -> int | None:
        """Of the next round, training and radio."""
        if self.mj_per_step is None or self.steps is None:
            return None
        return round(self.mj_per_step * self.steps + self.radio_mj)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a round may spend; None is without limit."""

    time_ms: int | None = None
    energy_mj: int | None = None


def predict(past: Iterable[Spent], calibration: Calibration | None = None) -> Prediction | None:
    """From the costs of earlier rounds, oldest first, and the measured step, which takes the place of what
    rounds before it said; None without either."""
    found: Prediction | None = None
    waiting = calibration
    for spent in past:
        if spent.cost == NOT_COUNTED:
            continue
        if waiting is not None and spent.ended_ms > waiting.at_ms:
            found, waiting = _calibrated(found, waiting), None
        found = _after(found, spent.cost)
    return found if waiting is None else _calibrated(found, waiting)


def _calibrated(before: Prediction | None, measured: Calibration) -> Prediction:
    if before is None:
        return Prediction(measured.ms_per_step, measured.mj_per_step, None, 0, 0)
    energy = before.mj_per_step if measured.mj_per_step is None else measured.mj_per_step
    return replace(before, ms_per_step=measured.ms_per_step, mj_per_step=energy)


def _after(before: Prediction | None, cost: Cost) -> Prediction:
    steps = max(cost.steps, 1)
    energy = None if cost.energy_mj is None else cost.energy_mj / steps
    if before is None:
        return Prediction(cost.train_ms / steps, energy, steps, cost.up_bytes, cost.down_bytes, cost.radio_mj)
    return Prediction(
        _mixed(before.ms_per_step, cost.train_ms / steps),
        before.mj_per_step if energy is None else _mixed(before.mj_per_step, energy),
        _mixed(before.steps, steps),
        _mixed(before.up_bytes, cost.up_bytes),
        _mixed(before.down_bytes, cost.down_bytes),
        _mixed(before.radio_mj, cost.radio_mj),
    )


def _mixed(before: float | None, newest: float) -> float:
    return newest if before is None else before + NEWEST_SHARE * (newest - before)


def steps_that_fit(prediction: Prediction | None, budget: Budget) -> int | None:
    """How many steps the budget pays for; None when nothing is known that limits them."""
    if prediction is None:
        return None
    limits = []
    if budget.time_ms is not None and prediction.ms_per_step > 0:
        limits.append(int(budget.time_ms / prediction.ms_per_step))
    if budget.energy_mj is not None and prediction.mj_per_step:
        limits.append(max(0, int(budget.energy_mj / prediction.mj_per_step)))
    return min(limits, default=None)
