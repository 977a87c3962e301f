"""scikit-learn's digits, cut once by seed: 70 % for devices, 10 % for validators' root sets, 20 % held out.

Devices get label-sorted shards, two each (McMahan et al. 2017), so that no device knows all digits. The
held-out part stays in the runner's memory: no file of it exists that an agent or validator could open.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_client.litert.training import Dataset

SHARDS_PER_DEVICE = 2
DEVICE_SHARE_PCT, ROOT_SHARE_PCT = 70, 10
PIXEL_MAX = 16


@dataclass(frozen=True, slots=True)
class Cut:
    """Indices of one cut of the data set."""

    devices: tuple[npt.NDArray[np.intp], ...]
    roots: tuple[npt.NDArray[np.intp], ...]
    held_out: npt.NDArray[np.intp]


def cut(labels: npt.NDArray[np.int64], devices: int, validators: int, seed: int) -> Cut:
    """The same cut for the same seed."""
    generator = np.random.Generator(np.random.PCG64(seed))
    order = generator.permutation(len(labels))
    first = len(labels) * DEVICE_SHARE_PCT // 100
    second = len(labels) * (DEVICE_SHARE_PCT + ROOT_SHARE_PCT) // 100
    train = order[:first]
    by_label = train[np.argsort(labels[train], kind="stable")]
    shards = np.array_split(by_label, devices * SHARDS_PER_DEVICE)
    dealt = generator.permutation(len(shards))
    shares = tuple(
        np.concatenate([shards[i] for i in dealt[SHARDS_PER_DEVICE * d : SHARDS_PER_DEVICE * (d + 1)]])
        for d in range(devices)
    )
    roots = tuple(np.array_split(order[first:second], validators))
    return Cut(shares, roots, order[second:])


def write_shares(folder: Path, devices: int, validators: int, seed: int) -> tuple[list[Path], Dataset]:
    """Write `device-<i>.npz` and `root-<i>.npz`; return the device files and the held-out part."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes a second, which only cutting should cost

    images, labels = load_digits(return_X_y=True)
    pixels, classes = images.astype(np.uint8), labels.astype(np.int64)
    parts = cut(classes, devices, validators, seed)
    folder.mkdir(parents=True)
    paths = [folder / f"device-{i}.npz" for i in range(devices)]
    for path, share in zip(paths, parts.devices, strict=True):
        np.savez(path, x=pixels[share], y=classes[share])
    for i, share in enumerate(parts.roots):
        np.savez(folder / f"root-{i}.npz", x=pixels[share], y=classes[share])
    return paths, Dataset(pixels[parts.held_out], classes[parts.held_out].astype(np.int32))
