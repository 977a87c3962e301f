"""`python:MODULE:CALLABLE` or `python:FILE.py:CALLABLE`: the owner's own code gives the samples."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edge_client.adapters.data.rows import Rows
from edge_client.adapters.data.source import DataError, DataUnreadyError, Raw, Request

PREFIX = "python:"
CALL_S_MAX = 50.0
"""How long the owner's code may take; the watchdog of the service waits for more than twice that."""
FILE_SUFFIX = ".py"
_log = logging.getLogger("data")


class _Calls:
    """Calls in threads of their own, for code that may never come back; one at a time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def within(self, seconds: float, call: Callable[[], Raw]) -> Raw | None:
        """What the call gives; None while it has not come back, and then nothing new is called. Raises what
        the call raises."""
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                return None
        results: list[Raw] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(call())
            except BaseException as error:  # noqa: BLE001 (raised again where it was waited for)
                errors.append(error)

        self._thread = threading.Thread(target=run, name="data", daemon=True)
        self._thread.start()
        self._thread.join(seconds)
        if errors:
            raise errors[0]
        return results[0] if results else None


@dataclass(frozen=True, slots=True)
class PythonCall:
    """Called without arguments for each round. It returns arrays (x, y) or (x, y, t), or an iterable of
    single (sample, label) or (sample, label, t), oldest first and with an end; t is seconds since 1970.

    `file` is set when the module is a file of its own; it is loaded again for each call. The code runs in
    the agent's process with its rights; whatever it raises is the owner's mistake, and so is not coming back
    within `seconds_max`.
    """

    module: str
    name: str
    file: Path | None = None
    seconds_max: float = CALL_S_MAX
    _calls: _Calls = field(default_factory=_Calls, compare=False, repr=False)

    @property
    def text(self) -> str:
        """See `Source`."""
        return f"{PREFIX}{self.file or self.module}:{self.name}"

    def there(self) -> bool:
        """See `Source`."""
        return self.file is None or self.file.is_file()

    def read(self, request: Request) -> Raw:
        """See `Source`."""
        found = self._calls.within(self.seconds_max, lambda: self._read(request))
        if found is None:
            raise DataUnreadyError(
                f"{self.text} does not come back: it may take {self.seconds_max:g} s at most"
            )
        return found

    def _read(self, request: Request) -> Raw:
        failed: type[DataError] = DataError
        try:
            call = getattr(self._module(), self.name)
            failed = DataUnreadyError  # from here on it may be the sensor
            result = call()
            if isinstance(result, tuple) and len(result) in (2, 3):
                x, y, *times = (np.asarray(part) for part in result)
                return Raw(self.text, x, y, np.asarray(times[0], np.float64) if times else None)
            return self._collect(result, request)
        except DataError:
            raise
        except (Exception, SystemExit) as error:
            _log.warning("data_source_failed source=%s", self.text, exc_info=True)
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            raise failed(f"{self.text} failed with {what}; the traceback is in the log") from error

    def _module(self) -> ModuleType:
        if self.file is None:
            return import_module(self.module)
        spec = spec_from_file_location(self.file.stem, self.file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.file} is no Python file")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def _collect(self, items: Iterable[Any], request: Request) -> Raw:
        rows, timed = Rows(self.text, request), False
        for number, item in enumerate(items, 1):
            if not isinstance(item, tuple) or len(item) not in (2, 3):
                raise DataError(
                    f"{self.text} gave {type(item).__name__}, not (sample, label) or (sample, label, t)"
                )
            timed = len(item) == 3
            rows.add(
                f"sample {number}",
                np.asarray(item[0]),
                np.asarray(item[1]),
                float(item[2]) if timed else None,
            )
        return rows.finish(timed=timed)
