"""A device that sleeps between rounds, watched from the wire while it does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.agent.rig import WAIT_S_MAX, NotThereError, running

ROUND_S = 150
"""Long enough to be slept through after a join, a training and an update."""
MARGIN_S = 5


@dataclass(frozen=True, slots=True)
class Slept:
    """What passed between device and server while it slept, and how long that was watched; the bursts of the
    round before and what they carried, as the device counts them."""

    wire_bytes: int
    watched_s: float
    bursts: int
    burst_bytes: int


def measure_sleep(folder: Path, watched_s: float) -> Slept:
    """Until the device sleeps with its update handed in, then `watched_s` of its sleep."""
    with running(folder, ROUND_S) as rig:
        config = rig.device / "edge-client.toml"
        config.write_text(config.read_text().replace("[mqtt]\n", '[mqtt]\nsleep = "always"\n', 1))
        rig.start_device()
        words = rig.wait(
            "sleep", lambda words: _sleeps_for(words, watched_s + MARGIN_S), ROUND_S + WAIT_S_MAX
        )
        time.sleep(1)  # the goodbye passes the proxy
        before = rig.wire_bytes()
        time.sleep(watched_s)
        passed = rig.wire_bytes() - before
        if rig.status().get("asleep") != words["asleep"]:
            raise NotThereError(f"the device did not sleep for {watched_s:.0f} s; last: {rig.status()}")
        carried = words["up_wire_bytes"] + words["down_wire_bytes"]
        return Slept(passed, watched_s, words["bursts"], carried)


def _sleeps_for(words: dict[str, Any], duration_s: float) -> bool:
    """Whether it is asleep for at least so long, and not because it trains."""
    plan = words.get("asleep")
    if plan is None or words.get("phase") != "sleeping" or words.get("why") != "done":
        return False
    return bool(plan["until_ms"] / 1000 - time.time() > duration_s)
