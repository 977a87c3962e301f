"""Named randomness: even, below 1, and independent of everything but its name."""

from __future__ import annotations

from firmware_profiles.twin.draws import drawn, evenly, share


def test_a_share_is_never_one() -> None:
    assert evenly(b"\xff" * 32) < 1
    assert evenly(bytes(32)) == 0


def test_names_make_streams() -> None:
    assert drawn(1, "a", 2) == drawn(1, "a", 2)
    assert len({drawn(seed, name, number) for seed in (1, 2) for name in "ab" for number in (1, 2)}) == 8
    assert abs(sum(share(1, "a", number) for number in range(1000)) / 1000 - 0.5) < 0.05
