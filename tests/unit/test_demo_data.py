"""The cut of the demo's data."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_profiles.demo.data import cut, write_shares

LABELS = np.random.Generator(np.random.PCG64(0)).integers(0, 10, 1797)


def test_parts_are_disjoint_and_whole() -> None:
    parts = cut(LABELS, devices=8, validators=4, seed=2)
    everything = np.concatenate([*parts.devices, *parts.roots, parts.held_out])
    assert sorted(everything) == list(range(len(LABELS)))
    assert abs(sum(map(len, parts.devices)) - 0.7 * len(LABELS)) <= 1
    assert abs(len(parts.held_out) - 0.2 * len(LABELS)) <= 1


def test_the_same_seed_gives_the_same_cut_and_another_seed_another() -> None:
    first, again, other = (cut(LABELS, 8, 4, seed) for seed in (2, 2, 3))
    assert all(np.array_equal(a, b) for a, b in zip(first.devices, again.devices, strict=True))
    assert not np.array_equal(first.held_out, other.held_out)


@pytest.mark.parametrize("devices", [4, 8])
def test_no_device_knows_all_digits(devices: int) -> None:
    for share in cut(LABELS, devices, 4, seed=2).devices:
        assert len(set(LABELS[share])) <= 6


def test_the_held_out_part_is_in_no_file(tmp_path) -> None:
    paths, held_out = write_shares(tmp_path / "data", devices=4, validators=4, seed=2)
    assert len(paths) == 4
    written = [np.load(path)["x"] for path in (tmp_path / "data").iterdir()]
    rows = {row.tobytes() for share in written for row in share}
    leaked = [row for row in held_out.x if row.tobytes() in rows]
    assert len(leaked) == 0
