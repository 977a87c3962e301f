"""Trains a file and prints what came of it as JSON; run by other Pythons with other runtimes.

usage: litert_run.py FILE STEPS [WEIGHTS_AND_STATE.npz]
With an archive, weights and optimiser state are taken from it first and written back at the end.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge_client.litert.graph import TrainingGraph


def step(graph: TrainingGraph, number: int) -> float:
    """One step on the batch of that number."""
    manifest = graph.manifest
    random = np.random.default_rng((4, number))
    x = random.standard_normal((manifest.batch, *manifest.input_dims)).astype(np.float32)
    y = random.integers(0, manifest.outputs, manifest.batch).astype(np.int32)
    return graph.train_step(x, y, np.ones(manifest.batch, np.float32), 0.02)


def main() -> None:
    """Train on seeded data."""
    graph, steps = TrainingGraph.open(sys.argv[1]), int(sys.argv[2])
    store = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    manifest = graph.manifest
    first = 0
    if store is not None and store.exists():
        kept = np.load(store)
        graph.set_weights([kept[f"w{i}"] for i in range(len(manifest.tensors))])
        graph.set_state([kept[f"s{i}"] for i in range(len(graph.get_state()))])
        first = int(kept["steps"])
    losses = [step(graph, number) for number in range(first, first + steps)]
    if store is not None:
        arrays: dict[str, Any] = {f"w{i}": array for i, array in enumerate(graph.get_weights())}
        arrays |= {f"s{i}": array for i, array in enumerate(graph.get_state())}
        np.savez(store, allow_pickle=False, steps=np.array(first + steps), **arrays)
    total = [float(np.abs(array).sum()) for array in graph.get_weights()]
    print(json.dumps({"losses": losses, "weights": total, "runtime": type(graph._interpreter).__module__}))


if __name__ == "__main__":
    main()
