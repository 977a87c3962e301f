"""`make check-faults`: real processes killed at seeded moments, as tests/e2e does, with a seed of your own.

`make check-faults ARGS="--seed 7 --moments 50 --mqtt embedded"`; a fault that harmed something is printed
with seed and moment, and the next moment gets a new fleet.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Value, report
from broker.mqtt_server.choose import CHOICES, Choice
from edge_client.core.events import Fate
from tests.e2e.fault_drills import FAULTS, Drill, DrillFailedError
from tests.e2e.running_fleet import running_fleet

TARGET = "check-faults"
NAMES = {
    "validator": "kill -9 of one validator of four",
    "device": "kill -9 of a device",
    "server": "restart of the MQTT server with its memory gone",
}
MOMENTS, SEED = 20, 2


class Campaign:
    """All moments, on one fleet as long as it stays whole."""

    def __init__(self, folder: Path, seed: int, mqtt: Choice) -> None:
        self._folder = folder
        self._seed = seed
        self._mqtt: Choice = mqtt
        self._running = ExitStack()
        self._fleets = 0
        self.tried, self.failed = Counter[str](), Counter[str]()
        self.fates = Counter[Fate]()

    def run(self, moments: int) -> None:
        """Every fault `moments` times, in turn."""
        drill = self._new_drill()
        for number in range(moments):
            for fault, inflict in FAULTS.items():
                self.tried[fault] += 1
                try:
                    inflict(drill, number)
                except DrillFailedError as error:
                    print(error, file=sys.stderr)
                    self.failed[fault] += 1
                    drill = self._new_drill()
        self.close()

    def _new_drill(self) -> Drill:
        self.close()
        self._fleets += 1
        folder = self._folder / f"fleet-{self._fleets}"
        fleet = self._running.enter_context(running_fleet(folder, self._seed, self._mqtt))
        drill = Drill.on(fleet, self._seed)
        drill.fates = self.fates
        return drill

    def close(self) -> None:
        """Leave nothing running."""
        self._running.close()

    def measured(self) -> dict[str, Value]:
        """Figures of bounds.toml."""
        figures: dict[str, Value] = {}
        for fault, name in NAMES.items():
            figures[f"{name}: seeded moments"] = self.tried[fault]
            figures[f"{name}: failures"] = self.failed[fault]
        return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; returns 0 when every figure holds, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--moments", type=int, default=MOMENTS)
    parser.add_argument("--mqtt", choices=CHOICES, default="auto")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="check-faults-") as folder:
        campaign = Campaign(Path(folder), options.seed, options.mqtt)
        try:
            campaign.run(options.moments)
        finally:
            campaign.close()
    fates = ", ".join(f"{count} {fate.value}" for fate, count in campaign.fates.items())
    print(f"finished updates that a fault met on their way: {fates or 'none'}")
    figures = report(TARGET, campaign.measured(), quick=options.moments < MOMENTS)
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
