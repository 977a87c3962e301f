"""The header the owner vouches for, in a file of the state folder; a running agent that needs it looks there.

`edge-client trust` writes it, whether the agent runs or not.
"""

from __future__ import annotations

from pathlib import Path

from edge_client.core.agent import Agent
from edge_client.core.events import AgentEffect, AgentEvent, Trusts
from edge_client.core.timing import earliest
from edge_client.protocol.join import Checkpoint, JoinError, parse_checkpoint
from edge_client.protocol.machine import Machine
from edge_client.runtime.files import replace

TRUST_FILE = "trusted-header"
LOOK_INTERVAL_MS = 5_000
TRUST_CHARS_MAX = 128


def write_trusted(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the owner's word; raises `OSError`."""
    text = f"{checkpoint.height}:{checkpoint.header_hash.hex()}\n"
    replace(folder / TRUST_FILE, text.encode())


def read_trusted(folder: Path) -> Checkpoint | None:
    """The owner's word; None without one, and for a file that is none."""
    try:
        with (folder / TRUST_FILE).open(encoding="ascii") as file:
            return parse_checkpoint(file.read(TRUST_CHARS_MAX).strip())
    except (OSError, ValueError, JoinError):
        return None


def later(one: Checkpoint | None, other: Checkpoint | None) -> Checkpoint | None:
    """The higher of two headers that are vouched for."""
    return max((held for held in (one, other) if held), key=lambda held: held.height, default=None)


class Trusting:
    """An agent that looks for the owner's word while it cannot go on without."""

    def __init__(self, machine: Machine[AgentEvent, AgentEffect], agent: Agent, folder: Path) -> None:
        self._machine = machine
        self._agent = agent
        self._folder = folder
        self._told: Checkpoint | None = None
        self._look_ms = 0

    def handle(self, event: AgentEvent, now_ms: int) -> list[AgentEffect]:
        """See `Machine`."""
        effects = self._machine.handle(event, now_ms)
        if not self._agent.needs_word or now_ms < self._look_ms:
            return effects
        self._look_ms = now_ms + LOOK_INTERVAL_MS
        told = read_trusted(self._folder)
        if told is None or told == self._told:
            return effects
        self._told = told
        return [*effects, *self._machine.handle(Trusts(told), now_ms)]

    def deadline(self) -> int | None:
        """See `Machine`."""
        return earliest(self._machine.deadline(), self._look_ms if self._agent.needs_word else None)
