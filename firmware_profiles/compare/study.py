"""What is compared: a fleet, made smaller, for a virtual time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from firmware_profiles.catalogue import Catalogue
from firmware_profiles.compare.cases import smaller
from firmware_profiles.profiles.fleet import Fleet
from firmware_profiles.profiles.parts import Parts

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Study:
    """What is the same for all cases: the fleet (`smaller` already), the parts that it names, the virtual
    time."""

    fleet: Fleet
    parts: Parts
    span_ms: int

    @classmethod
    def of(cls, catalogue: Catalogue, fleet: str, devices: int, hours: float) -> Study:
        """Of a fleet by its name or file, with so many devices; raises `ProfileError`, `ValueError`."""
        parts = Parts(catalogue.boards, catalogue.links, catalogue.batteries)  # as `described` prints them
        return cls(smaller(catalogue.fleet(fleet), devices), parts, round(hours * HOUR_MS))

    def described(self, name: str) -> str:
        """What results are of. The mark changes with the file of the fleet and of what it is made of."""
        mark = hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        return f"{name} ({mark}), {self.fleet.devices} devices, {self.span_ms / HOUR_MS:g} h"
