"""Opened training graphs that the agents of a process share: their weights are swapped in for each job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_client.litert.graph import Floats, TrainingGraph


class GraphPool:
    """One interpreter for each graph; devices train one after the other, so that one is enough."""

    def __init__(self) -> None:
        self._opened: dict[str, tuple[TrainingGraph, Sequence[Floats]]] = {}

    def open(self, path: Path, threads: int) -> TrainingGraph:
        """As `TrainingGraph.open`; files of a state folder are named by their hash, so that the same name is
        the same graph. It comes as from the file, whatever was trained in it before."""
        found = self._opened.get(path.name)
        if found is None:
            graph = TrainingGraph.open(path, threads)
            found = self._opened[path.name] = (graph, graph.get_weights())
        graph, weights = found
        graph.set_weights(weights)
        graph.reset_optimizer()
        return graph
