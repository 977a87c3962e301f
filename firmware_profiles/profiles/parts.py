"""What groups of a fleet name: boards, links and batteries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_profiles.profiles.battery import Battery
from firmware_profiles.profiles.board import Board
from firmware_profiles.profiles.link import Link


@dataclass(frozen=True, slots=True)
class Parts:
    """By name."""

    boards: Mapping[str, Board]
    links: Mapping[str, Link]
    batteries: Mapping[str, Battery]
