"""Which fleet is rehearsed. It is read before what rehearses is loaded: a mistake is told at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware_profiles.catalogue import Catalogue
    from firmware_profiles.profiles.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Chosen:
    """The fleet in the size that was asked for, with the parts it names, and the seed."""

    fleet: Fleet
    parts: Catalogue
    seed: int


def chosen(name: str, options: Mapping[str, object]) -> Chosen:
    """By name or file, `--devices` and `--seed`; raises `ProfileError`, `ValueError`."""
    from firmware_profiles.catalogue import read_catalogue

    catalogue = read_catalogue()
    fleet = catalogue.fleet(name)
    if options["devices"] is not None:
        fleet = fleet.resized(int(str(options["devices"])))
    if options["seed"] is not None:
        fleet = replace(fleet, seed=int(str(options["seed"])))
    return Chosen(fleet, catalogue, fleet.seed)
