"""`edge-client run`, with a count of what training took and of the large files it wrote.

    python -m benchmarks.agent.instrumented STATE_FOLDER COUNTS_FILE

Only this: processor time of the trainer's thread inside `train` and `evaluate`, and bytes of files that hold
a model, an update or a residue. All else of the process is the agent as it is shipped.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

from edge_client.adapters import trainer
from edge_client.cli import main
from edge_client.runtime import files

LARGE_FOLDERS = ("objects", "models")
_counts = {"training_s": 0.0, "large_bytes": 0, "own_bytes": 0}
"""`own_bytes` are those of the counts file itself."""


def _timed(work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def run(*arguments: Any) -> Any:
        began_s = time.thread_time()
        try:
            return work(*arguments)
        finally:
            _counts["training_s"] += time.thread_time() - began_s

    return run


def _counted(write: Callable[[Path, Iterable[bytes], int], None], counts: Path) -> Callable[..., None]:
    def run(path: Path, pieces: Iterable[bytes], mode: int) -> None:
        write(path, pieces, mode)
        if path.parent.name in LARGE_FOLDERS:
            _counts["large_bytes"] += path.stat().st_size
        _counts["own_bytes"] += len(json.dumps(_counts))
        counts.write_text(json.dumps(_counts))

    return run


if __name__ == "__main__":
    state, counts_file = sys.argv[1:]
    trainer.train = _timed(trainer.train)  # type: ignore[attr-defined]
    trainer.evaluate = _timed(trainer.evaluate)  # type: ignore[attr-defined]
    files._write_new = _counted(files._write_new, Path(counts_file))  # noqa: SLF001
    main(["run", "--state", state])
