"""The owner's training data. Samples keep their own type in memory; each batch is converted when needed."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_client.litert.training import Dataset
from edge_client.protocol.manifest import Loss, Manifest

NPZ_PREFIX = "npz:"
SAMPLES_MAX = (1 << 32) - 1


class DatasetError(Exception):
    """The data cannot be used; the text is one sentence for the owner."""


@dataclass(frozen=True, slots=True)
class NpzSource:
    """A NumPy archive with arrays `x` (samples) and `y` (labels)."""

    path: Path

    def load(self, manifest: Manifest) -> Dataset:
        """The samples, checked against what the chain's model takes; raises `DatasetError`."""
        try:
            with self.path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
                missing = [name for name in ("x", "y") if name not in archive.files]
                if missing:
                    raise DatasetError(f"{self.path} lacks the array '{missing[0]}'; it needs 'x' and 'y'")
                x, y = archive["x"], archive["y"]
        except FileNotFoundError:
            raise DatasetError(f"there is no data file {self.path}; data.source names it") from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DatasetError(f"cannot read the data file {self.path}: {error}") from error
        return Dataset(_samples(x, manifest, self.path), _labels(y, len(x), manifest, self.path))


def parse_source(text: str, folder: Path) -> NpzSource:
    """`npz:PATH`, relative to `folder`; raises `ValueError` with one sentence."""
    if not text.startswith(NPZ_PREFIX) or not text[len(NPZ_PREFIX) :]:
        raise ValueError(f"source must be npz:PATH, not '{text}'")
    return NpzSource(folder / Path(text[len(NPZ_PREFIX) :]).expanduser())


def _samples(x: np.ndarray, manifest: Manifest, path: Path) -> np.ndarray:
    if x.dtype == np.float64:
        x = x.astype(np.float32)
    if x.dtype not in (np.uint8, np.float32):
        raise DatasetError(f"'x' in {path} is {x.dtype}; the model takes uint8 or float32")
    if x.ndim == 0 or x.shape[1:] != manifest.input_dims:
        wanted = manifest.input_dims
        raise DatasetError(f"samples in {path} have shape {x.shape[1:]}, the model takes {wanted}")
    if not 1 <= len(x) <= SAMPLES_MAX:
        raise DatasetError(f"'x' in {path} holds no samples")
    if x.dtype == np.float32 and not np.isfinite(x).all():
        raise DatasetError(f"'x' in {path} holds values that are not finite")
    return x


def _labels(y: np.ndarray, count: int, manifest: Manifest, path: Path) -> np.ndarray:
    if y.shape[:1] != (count,):
        raise DatasetError(f"{path} holds {count} samples, but labels of shape {y.shape}")
    if manifest.loss != Loss.SOFTMAX_CROSS_ENTROPY:
        if y.shape != (count, manifest.outputs):
            raise DatasetError(f"labels in {path} have shape {y.shape}, not {(count, manifest.outputs)}")
        return y.astype(np.float32)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DatasetError(f"'y' in {path} is {y.dtype} of shape {y.shape}; the model takes class numbers")
    if int(y.min()) < 0 or int(y.max()) >= manifest.outputs:
        found = f"{y.min()} to {y.max()}"
        raise DatasetError(f"labels in {path} go from {found}, the model's from 0 to {manifest.outputs - 1}")
    return y.astype(np.int32)
