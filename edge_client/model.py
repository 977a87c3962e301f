"""The model in three lines, for the owner's own programs:

from edge_client import Model
model = Model.current("STATE_FOLDER")
print(model.predict(sample))
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_client.adapters.model_files import CURRENT_FILE
from edge_client.litert.graph import Floats, InferenceGraph
from edge_client.litert.inference import read_layout
from edge_client.litert.ir import ModelError
from edge_client.protocol.manifest import Loss


@dataclass(frozen=True, slots=True)
class Prediction:
    """The model's answer for one sample: all outputs and, if it tells classes apart, the likeliest class
    with its score (the output of that class: a probability where the model ends with a softmax)."""

    values: tuple[float, ...]
    label: int | None = None
    score: float | None = None


class Model:
    """An inference file, opened; a newer model is seen by opening it again. For one thread at a time."""

    def __init__(self, path: str | PathLike[str], threads: int = 1) -> None:
        """Raises `ModelError` for a file not written by `edge-client export` or the agent, `OSError`, and
        `RuntimeMissingError` when no TFLite runtime is installed."""
        self.path = Path(path).resolve()
        with self.path.open("rb") as file:
            if not self.path.stat().st_size:
                raise ModelError("the file is empty")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                layout = read_layout(content)
        self._by_class = layout.loss == Loss.SOFTMAX_CROSS_ENTROPY
        self._num, self._den = np.float32(layout.input_scale_num), np.float32(layout.input_scale_den)
        self._graph = InferenceGraph.open(self.path, threads)

    @classmethod
    def current(cls, state: str | PathLike[str], threads: int = 1) -> Model:
        """The latest verified model of the device in this state folder; see `__init__` for errors."""
        return cls(Path(state) / CURRENT_FILE, threads)

    @property
    def input_dims(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self._graph.dims

    @property
    def labels(self) -> int:
        """How many numbers label one sample: its class, or all values that the model learns."""
        return 1 if self._by_class else self._graph.outputs

    def outputs(self, samples: npt.ArrayLike) -> Floats:
        """What the model says to raw samples [n, ...], as [n, K]; `ValueError` for another shape."""
        x = np.asarray(samples)
        if x.dtype.kind not in "iufb":
            raise ValueError(f"samples are {x.dtype}, not numbers")
        scaled = np.multiply(x, self._num, dtype=np.float32, casting="unsafe")
        return self._graph.run(np.divide(scaled, self._den, dtype=np.float32))

    def predict(self, sample: npt.ArrayLike) -> Prediction:
        """The answer for one raw sample, as it would stand in the training data."""
        (values,) = self.outputs(np.asarray(sample)[None]).tolist()
        if not self._by_class:
            return Prediction(tuple(values))
        label = int(np.argmax(values))
        return Prediction(tuple(values), label, values[label])
