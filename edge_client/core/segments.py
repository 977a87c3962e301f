"""Stretches of stored headers: a device that jumped has gaps between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """Headers (84 bytes each) of consecutive heights from `first` on. `extension` leads from the range of
    headers before the gap to the range under `first`; the stretch that begins at height 1 has none."""

    first: int
    extension: tuple[bytes, ...]
    linked: Iterable[bytes]
