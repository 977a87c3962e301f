"""What every kind of source is asked and gives; `parse` makes one from the text of the configuration."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import TokenError
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge_client.protocol.manifest import Loss, Manifest

DATA_BYTES_MAX = 1 << 30
"""What the samples of a source may take in memory."""
SAMPLES_MAX = 1 << 22
"""What a source may hold at all, also in front of its window."""
NO_TIMES = "{} has no times, which data.keep_days needs: an array 't', a data.time_column, or a third value"
REASONS_MAX = 16
EXAMPLES_MAX = 3

UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    TokenError,
    zlib.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
)
"""What NumPy and zipfile raise for bytes that are not what their header says (tried with damaged files):
a file that a worn-out card changed is the owner's to mend, not our bug."""

Array = npt.NDArray[np.generic]


class DataError(Exception):
    """The data cannot be used; the text is one sentence for the owner."""


class DataUnreadyError(DataError):
    """The same for what may be otherwise at the next look: nothing is recorded yet, a file is being written,
    a sensor does not answer."""


def unreadable(path: Path, error: BaseException) -> DataError:
    """The sentence for a file that exists and cannot be read."""
    why = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
    kind = DataError if isinstance(error, PermissionError) else DataUnreadyError
    return kind(f"cannot read the data file {path}: {why}")


def check_plain_file(path: Path) -> None:
    """Raises `DataError` for what is no file: opening a pipe would wait for a writer, perhaps for ever."""
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file; samples in folders by class are folder:{path}")
    if path.exists() and not path.is_file():
        raise DataError(
            f"{path} is a pipe or a device, not a file; record into a file, or read it in python:"
        )


@dataclass(slots=True)
class Rejects:
    """Samples that were left out: how many for which reason, and where the first few stand."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, where: str, count: int = 1) -> None:
        """Count; reasons beyond `REASONS_MAX` are counted together."""
        if reason not in self.counts and len(self.counts) >= REASONS_MAX:
            reason = "other reasons"
        self.counts[reason] += count
        shown = self.examples.setdefault(reason, [])
        if len(shown) < EXAMPLES_MAX:
            shown.append(where)

    @property
    def count(self) -> int:
        """All of them."""
        return self.counts.total()

    def first(self) -> str:
        """The most frequent reason with an example, for a sentence; empty when nothing was left out."""
        if not self.counts:
            return ""
        reason = self.counts.most_common(1)[0][0]
        return f"{reason} ({self.examples[reason][0]})"


@dataclass(frozen=True, slots=True)
class Window:
    """Which samples of a growing source count: the newest `keep_samples`, none from before `since_s`
    (seconds since 1970); None leaves the limit out."""

    keep_samples: int | None = None
    since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What the chain's model takes, the owner's names of the classes in order, and the window.

    A source may apply the window itself to save memory; it is applied to what it gives in any case.
    """

    manifest: Manifest
    classes: tuple[str, ...] = ()
    window: Window = field(default_factory=Window)

    @property
    def by_class(self) -> bool:
        """Whether labels are class numbers; otherwise they are `manifest.outputs` values each."""
        return self.manifest.loss == Loss.SOFTMAX_CROSS_ENTROPY

    def class_number(self, text: str) -> int | None:
        """The class that a label's text names: its name, or else its number; None for neither."""
        if text in self.classes:
            return self.classes.index(text)
        try:
            value = float(text)
        except ValueError:
            return None
        return int(value) if value.is_integer() else None


@dataclass(frozen=True, slots=True)
class Raw:
    """What a source gives, oldest first unless `times_s` (seconds since 1970) says otherwise.

    `name` is how sentences call it; x is [n, ...], y class numbers [n] or values [n, K].
    """

    name: str
    x: Array
    y: Array
    times_s: npt.NDArray[np.float64] | None = None
    rejects: Rejects = field(default_factory=Rejects)


class Source(Protocol):
    """A place where samples come from."""

    @property
    def text(self) -> str:
        """As the configuration has it, with absolute paths."""

    def there(self) -> bool:
        """Whether it can be seen at all; cheap."""

    def read(self, request: Request) -> Raw:
        """All samples, or those of the window; raises `DataError`."""
