"""What a clock that goes faster than time changes: waits for an answer must not shrink to nothing.

A wait in a machine counts by the machine's clock, but servers, disks and processors answer by the wall's. So
agents and validators wait for each other as long on the wall as they usually do.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

from broker.adapters.status_file import STATUS_INTERVAL_MS
from broker.core.consensus.events import Timing as ConsensusTiming
from edge_client.core.timing import Timing as AgentTiming
from edge_client.runtime.loop import LoopLimits
from edge_client.runtime.mqtt_options import MqttLimits

SLOT_PATIENCE = 4
RECONNECT_MS_MIN, RECONNECT_MS_MAX_LEAST = 200, 1_000

T = TypeVar("T", ConsensusTiming, AgentTiming)


def consensus_timing(speed: float) -> ConsensusTiming:
    """The usual waits on the wall, in the clock's milliseconds; but no leader is given up for lack of a
    processor that it shares with a thousand devices."""
    usual = _longer(ConsensusTiming(), speed)
    return replace(usual, slot_timeout_ms=SLOT_PATIENCE * usual.slot_timeout_ms)


def status_interval_ms(speed: float) -> int:
    """A validator writes its status file as often on the wall as it usually does: each write waits for the
    disk."""
    return round(STATUS_INTERVAL_MS * speed)


def agent_timing(speed: float) -> AgentTiming:
    """An agent's waits, in the clock's milliseconds."""
    return _longer(AgentTiming(), speed)


def mqtt_limits(speed: float) -> MqttLimits:
    """Reconnects are spread over as much of the clock's time as usual, if that is long enough on the wall."""
    usual = MqttLimits()
    most_ms = max(RECONNECT_MS_MAX_LEAST, round(usual.reconnect_wait_ms_max / speed))
    return replace(usual, reconnect_wait_ms_min=RECONNECT_MS_MIN, reconnect_wait_ms_max=most_ms)


def loop_limits() -> LoopLimits:
    """No pause between two wake-ups: they are for different machines."""
    return LoopLimits(wake_gap_ms_min=0)


def _longer(timing: T, factor: float) -> T:
    longer = {one.name: round(getattr(timing, one.name) * factor) for one in fields(timing)}
    return replace(timing, **longer)
