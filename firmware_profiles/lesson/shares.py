"""What devices have of the lesson: one of its shares, in memory that all devices of a process use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_client.adapters.data.hold_out import held_out
from edge_client.adapters.data.source import Raw, Request
from edge_client.litert.training import Dataset

SHARES = 16


def share_of(device: int) -> int:
    """Which share a device has, by its number."""
    return device % SHARES


@dataclass(frozen=True, slots=True)
class ShareSource:
    """A device's samples, out of one share of the lesson: so many that `samples` are left to train on beside
    those that the device keeps for measuring. Rows repeat where the share has fewer."""

    share: Dataset
    samples: int

    @property
    def text(self) -> str:
        """See `Source`."""
        return f"{self.samples} samples of the lesson"

    def there(self) -> bool:
        """See `Source`."""
        return True

    def read(self, _request: Request) -> Raw:
        """See `Source`."""
        rows = self.share.indices
        out = held_out(self.share.x, rows)
        chosen = np.concatenate([np.resize(rows[~out], self.samples), rows[out]])
        return Raw(self.text, self.share.x[chosen], self.share.y[chosen])


def write_shares(file: Path, shares: tuple[Dataset, ...]) -> None:
    """For processes that must not load scikit-learn: it would take them 60 MB each."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for number, one in enumerate(shares):
        arrays[f"x{number}"], arrays[f"y{number}"] = one.x, one.y
    np.savez(file, allow_pickle=False, **arrays)


def read_shares(file: Path) -> tuple[Dataset, ...]:
    """The inverse of `write_shares`."""
    with np.load(file, allow_pickle=False) as arrays:
        count = len(arrays.files) // 2
        return tuple(Dataset(arrays[f"x{number}"], arrays[f"y{number}"]) for number in range(count))
