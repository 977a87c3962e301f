"""`npz:PATH`: a NumPy archive with arrays `x` (samples), `y` (labels) and, for `keep_days`, `t` (seconds)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_client.adapters.data.source import (
    DATA_BYTES_MAX,
    UNREADABLE,
    DataError,
    Raw,
    Request,
    check_plain_file,
    unreadable,
)

PREFIX = "npz:"


@dataclass(frozen=True, slots=True)
class NpzFile:
    """One archive, read whole; a growing one is replaced whole (written beside it, then renamed)."""

    path: Path

    @property
    def text(self) -> str:
        """See `Source`."""
        return f"{PREFIX}{self.path}"

    def there(self) -> bool:
        """See `Source`."""
        return self.path.is_file()

    def read(self, request: Request) -> Raw:  # noqa: ARG002 (a whole file is read whatever is wanted)
        """See `Source`."""
        check_plain_file(self.path)
        try:
            with self.path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
                missing = [name for name in ("x", "y") if name not in archive.files]
                if missing:
                    raise DataError(f"{self.path} lacks the array '{missing[0]}'; it needs 'x' and 'y'")
                if (
                    archive.zip is not None
                    and sum(one.file_size for one in archive.zip.infolist()) > DATA_BYTES_MAX
                ):
                    raise DataError(
                        f"{self.path} holds more than {DATA_BYTES_MAX >> 20} MiB; leave the oldest out"
                    )
                x, y = archive["x"], archive["y"]
                times = archive["t"] if "t" in archive.files else None
        except FileNotFoundError:
            raise DataError(f"there is no data file {self.path}; data.source names it") from None
        except UNREADABLE as error:
            raise unreadable(self.path, error) from error
        if times is not None and (times.shape != x.shape[:1] or times.dtype.kind not in "iuf"):
            raise DataError(
                f"'t' in {self.path} is {times.dtype} of shape {times.shape}, not seconds for each sample"
            )
        return Raw(str(self.path), x, y, None if times is None else times.astype(np.float64))
