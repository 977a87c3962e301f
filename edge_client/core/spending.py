"""The end of a round, entered among those of the day."""

from __future__ import annotations

from dataclasses import replace

from edge_client.core.conditions.prediction import Spent
from edge_client.core.conditions.scheduler import Scheduler
from edge_client.core.draws import Draw, Draws


def entered(spent: Spent, scheduler: Scheduler | None, draws: Draws) -> Spent:
    """With what was predicted and the lot of the pause after it; it counts among the rounds of the day at
    once. Without a scheduler as it is."""
    if scheduler is None:
        return spent
    drawn = draws.bytes_for(Draw.PAUSE, scheduler.last_lot.to_bytes(4, "big"))
    whole = replace(scheduler.foretold(spent), lot=int.from_bytes(drawn[:4], "big"))
    scheduler.spent(whole)
    return whole
