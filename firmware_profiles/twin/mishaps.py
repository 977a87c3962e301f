"""What the fleet file lets go wrong, and when: one plan for simulated and emulated fleets, from the seed.

It says when, and whom it hits. Who does it: `fleet/troubles.py` and `fleet/device.py`; messages are lost on
the links of `simulate/network.py` and `emulate/link.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from math import log

from firmware_profiles.profiles.fleet import Faults
from firmware_profiles.twin.draws import share

DAY_MS = 86_400_000
SECOND_MS = 1000
RESTART_MS = 10_000
"""Until the service manager starts a process again that died."""


class Mishap(str, Enum):
    """Kinds, as reports name them."""

    CRASH = "crash"
    """The process of a device dies as of `kill -9`, and is started again."""
    DROP_OUT = "drop-out"
    """The same in the middle of a round that the device takes part in."""
    VALIDATOR_CRASH = "validator-crash"
    MQTT_OUTAGE = "mqtt-outage"
    """The MQTT server dies and comes back with an empty memory."""
    LOST_LINK = "lost-link"
    """A connected device, its router or its street is cut off."""
    LOST_MESSAGE = "lost-message"
    LIE = "lie"
    """An authenticated device sends an update that is false and poisoned."""


@dataclass(frozen=True, slots=True)
class Mishaps:
    """The plan of one fleet; times are milliseconds since the rehearsal began, rising, and never end.
    `dropout`: the share of begun work in which a device vanishes."""

    faults: Faults
    dropout: float
    seed: int

    def drop_out(self, device: int, round_number: int, attempt: int) -> float | None:
        """After which share of its work in a round a device vanishes; None: it does not. The draw is that of
        the round, so that one luck more or less does not move those of later rounds."""
        purpose = f"drop-out {round_number} {attempt}"
        if share(self.seed, purpose, device) >= self.dropout:
            return None
        return share(self.seed, f"{purpose} at", device)

    def crashes(self, device: int) -> Iterator[int]:
        """Of the process of a device."""
        return self._moments(f"crash {device}", self.faults.crashes_a_day.typical)

    def validator_crashes(self, validator: int) -> Iterator[int]:
        """Of the process of a validator."""
        return self._moments(f"validator crash {validator}", self.faults.validator_crashes_a_day.typical)

    def outages(self) -> Iterator[int]:
        """Of the MQTT server."""
        return self._moments("mqtt outage", self.faults.mqtt_outages_a_day.typical)

    @property
    def outage_ms(self) -> int:
        """How long the MQTT server is away."""
        return round(self.faults.mqtt_outage_lasts.typical * SECOND_MS)

    def loses(self, client: str, message: int) -> bool:
        """Whether a message between a device and the MQTT server, counted both ways from 1, is lost."""
        rate = self.faults.message_loss.typical
        return rate > 0 and share(self.seed, f"message loss {client}", message) < rate

    def _moments(self, purpose: str, a_day: float) -> Iterator[int]:
        """So often a day on average; none for 0."""
        at_ms, number = 0, 0
        while a_day > 0:
            number += 1
            at_ms += max(1, round(-log(1 - share(self.seed, purpose, number)) * DAY_MS / a_day))
            yield at_ms
