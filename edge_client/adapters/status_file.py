"""What `edge-client status` shows of a running agent beside the database: phase, counters, memory.

`Reporting` wraps the agent as a machine of its own, so that a change is written soon after it happened and at
most once per `STATUS_INTERVAL_MS`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from edge_client.core.agent import Agent
from edge_client.core.events import AgentEffect, AgentEvent
from edge_client.core.timing import earliest
from edge_client.runtime.files import show

STATUS_FILE = "status.json"
STATUS_INTERVAL_MS = 1000
PROCESS_FILE = Path("/proc/self/status")

Facts = Callable[[], dict[str, Any]]
"""Counters that the agent does not know: refusals, traffic."""


class Reporting:
    """An agent that writes down how it is, and tells it in one line to who started the process."""

    def __init__(self, agent: Agent, path: Path, facts: Facts, tell: Callable[[str], None]) -> None:
        self._agent = agent
        self._path = path
        self._facts = facts
        self._tell = tell
        self._written: dict[str, Any] = {}
        self._due_ms: int | None = 0
        self._now_ms = 0

    def handle(self, event: AgentEvent, now_ms: int) -> list[AgentEffect]:
        """See `Machine`."""
        self._now_ms = now_ms
        effects = self._agent.handle(event, now_ms)
        if self._due_ms is None:
            if self._now() != self._written:
                self._due_ms = now_ms + STATUS_INTERVAL_MS
        elif now_ms >= self._due_ms:
            self.write()
        return effects

    def deadline(self) -> int | None:
        """See `Machine`."""
        return earliest(self._agent.deadline(), self._due_ms)

    def changed(self) -> None:
        """A counter of `facts` is to be written, although the agent may have nothing to do for long."""
        if self._due_ms is None:
            self._due_ms = self._now_ms + STATUS_INTERVAL_MS

    def write(self) -> None:
        """Write now."""
        self._due_ms, self._written = None, self._now()
        facts = {"pid": os.getpid(), **self._written, **memory_facts(), **self._facts()}
        show(self._path, json.dumps(facts, indent=1).encode())
        self._tell(_in_one_line(self._written))

    def _now(self) -> dict[str, Any]:
        """What is worth writing when it changes."""
        device = self._agent.participant
        facts: dict[str, Any] = {"phase": self._agent.phase.value, "unanswered": self._agent.silence.why}
        if device is not None:
            facts |= {"height": device.head.height, "round": device.head.learning.round, "why": device.why}
            facts["freshness"] = device.freshness.standing(self._now_ms).value
            facts["fresh_ms"] = device.freshness.fresh_ms
            facts["clock_behind_the_chain"] = not device.sync.has_good_clock
        plan = self._agent.plan
        facts["asleep"] = None if plan is None else {"until_ms": plan.until_ms, "because": plan.because}
        return facts


def _in_one_line(facts: dict[str, Any]) -> str:
    parts = [str(facts["phase"])]
    if "round" in facts:
        parts += [f"round {facts['round']}", f"height {facts['height']}"]
    if (plan := facts.get("asleep")) is not None:
        parts.append(sleeping_words(plan))
    elif facts.get("why"):
        parts.append(f"not training: {facts['why']}")
    return ", ".join(parts)


def sleeping_words(plan: dict[str, Any]) -> str:
    """Until when the radio is off and why, as the owner reads it; `plan` as the status file has it."""
    until = datetime.fromtimestamp(plan["until_ms"] / 1000).astimezone()
    return f"sleeping until {until:%Y-%m-%d %H:%M} because {plan['because']}"


def memory_facts() -> dict[str, int]:
    """Peak resident memory of this process in KiB, where the system tells."""
    try:
        lines = PROCESS_FILE.read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    peak = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return {"peak_rss_kib": int(peak[0])} if peak else {}


def read_status_file(folder: Path) -> dict[str, Any]:
    """The last words of the running or last process; empty when there are none."""
    try:
        words = json.loads((folder / STATUS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return words if isinstance(words, dict) else {}
