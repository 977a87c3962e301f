"""One training graph: prints its step time and peak memory as JSON.

usage: python -m benchmarks.train.litert_step FILE SECONDS
Opens a finished file and imports nothing else, as its peak memory is measured too.
"""

from __future__ import annotations

import sys
import time
from math import prod

import numpy as np

from edge_client.litert.graph import TrainingGraph


def main() -> None:
    """Time steps for the given number of seconds, with and without their Python part."""
    graph = TrainingGraph.open(sys.argv[1])
    manifest = graph.manifest
    shape = (manifest.batch, *manifest.input_dims)
    x = np.abs(np.sin(np.arange(prod(shape), dtype=np.float32))).reshape(shape)
    y = (np.arange(manifest.batch) % manifest.outputs).astype(np.int32)
    weight = np.ones(manifest.batch, np.float32)
    invoke = graph._interpreter.invoke  # noqa: SLF001 (the Python part is what is around it)
    whole: list[float] = []
    inside: list[float] = []
    end = time.process_time() + float(sys.argv[2])
    while time.process_time() < end or len(whole) < 10:
        start = time.process_time()
        graph.train_step(x, y, weight, 0.01)
        middle = time.process_time()
        invoke()
        inside.append(time.process_time() - middle)
        whole.append(middle - start)
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 (pathlib would count, too)
        peak_mb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    step, bare = float(np.median(whole)), float(np.median(inside))
    parameters = manifest.parameter_count
    fields = {"step_s": step, "python_s": step - bare, "peak_mb": peak_mb, "parameters": parameters}
    print("{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}")


if __name__ == "__main__":
    main()
