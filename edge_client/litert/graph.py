"""Runs a training graph on whichever TFLite runtime is installed; the only module that touches one."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edge_client.litert.ir import ModelError
from edge_client.litert.metadata import MANIFEST_KEY, read_metadata
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.manifest import Loss, Manifest

Floats: TypeAlias = npt.NDArray[np.float32]
Labels: TypeAlias = npt.NDArray[np.int32] | npt.NDArray[np.float32]

# Best first: the first is the maintained one (64-bit), the second the last that runs on 32-bit boards.
RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
SIGNATURES = (
    *("train", "evaluate", "infer", "get_weights", "set_weights"),
    *("get_state", "set_state", "reset_optimizer"),
)


class RuntimeMissingError(Exception):
    """No TFLite runtime can be imported on this machine."""


_MISSING = (
    "no TFLite runtime is installed: "
    "pip install 'edge-client[litert]', on a 32-bit system 'edge-client[tflite]'"
)


def require_runtime() -> None:
    """Raise `RuntimeMissingError` when no runtime is installed; loads none, nor the package around one, which
    would cost 3 MB of libraries."""
    if not any(find_spec(name.partition(".")[0]) for name in RUNTIMES):
        raise RuntimeMissingError(_MISSING)


class TrainingGraph:
    """One opened training graph: weights and optimiser state live inside it. For one thread at a time."""

    def __init__(self, interpreter: Any, manifest: Manifest) -> None:
        """Use `open`; the interpreter must hold the file the manifest came from."""
        self.manifest = manifest
        self._interpreter = interpreter
        missing = set(SIGNATURES).difference(interpreter.get_signature_list())
        if missing:
            raise ModelError(f"the file lacks the signatures {sorted(missing)}")
        batch = manifest.batch
        self.takes_class_ids = manifest.loss == Loss.SOFTMAX_CROSS_ENTROPY
        self.label_shape: tuple[int, ...] = (batch,) if self.takes_class_ids else (batch, manifest.outputs)
        self.label_dtype = np.dtype(np.int32 if self.takes_class_ids else np.float32)
        self._x_shape = (batch, *manifest.input_dims)
        self._weight_shape = (batch,)
        self._weight_shapes = [tensor.dims for tensor in manifest.tensors]
        self._state_shapes = _shapes(interpreter, "set_state")
        if _shapes(interpreter, "set_weights") != self._weight_shapes:
            raise ModelError("the weights of the file are not those of its manifest")
        self._rate = np.zeros((), np.float32)
        interpreter.allocate_tensors()
        shapes = [self._x_shape, self.label_shape, self._weight_shape, ()]
        self._x, self._y, self._weight, self._rate_index = _train_inputs(interpreter, shapes)
        self._loss = interpreter.get_output_details()[0]["index"]

    @classmethod
    def open(cls, source: str | PathLike[str] | bytes, threads: int = 1) -> TrainingGraph:
        """Open a file (mapped, not copied) or its bytes.

        Raises `ModelError` when it is not a training graph that can run here, `OSError` when the path
        cannot be read and `RuntimeMissingError` when no runtime is installed.
        """
        manifest = _read_manifest(source)
        interpreter_class = _load_runtime()
        where = {"model_content": source} if isinstance(source, bytes) else {"model_path": str(Path(source))}
        try:
            return cls(interpreter_class(num_threads=threads, **where), manifest)
        except (ValueError, RuntimeError, KeyError, IndexError) as error:
            raise _refused(error) from error

    def train_step(self, x: Floats, y: Labels, sample_weight: Floats, learning_rate: float) -> float:
        """One optimiser step on a full batch; returns the weighted mean loss before it.

        x float32 [batch, ...], y as `Manifest.loss` says, sample_weight float32 [batch] (0 = padding).
        Raises `ValueError` for another shape or type.
        """
        self._check(x, y, sample_weight)
        interpreter, rate = self._interpreter, self._rate
        rate[()] = learning_rate
        interpreter.set_tensor(self._x, x)
        interpreter.set_tensor(self._y, y)
        interpreter.set_tensor(self._weight, sample_weight)
        interpreter.set_tensor(self._rate_index, rate)
        interpreter.invoke()
        return float(interpreter.get_tensor(self._loss))

    def evaluate(self, x: Floats, y: Labels, sample_weight: Floats) -> tuple[float, float, float]:
        """Loss, correct and weight sums of one batch, weighted by `sample_weight`; changes nothing."""
        self._check(x, y, sample_weight)
        sums = self._call("evaluate", x=x, y=y, sample_weight=sample_weight)
        return float(sums["loss_sum"]), float(sums["correct_sum"]), float(sums["weight_sum"])

    def infer(self, x: Floats) -> Floats:
        """Output of the model (with its last activation) for one full batch."""
        if x.shape != self._x_shape or x.dtype != np.float32:
            raise ValueError(f"x is {x.dtype} {x.shape}, not float32 {self._x_shape}")
        return np.asarray(self._call("infer", x=x)["output"], np.float32)

    def get_weights(self) -> list[Floats]:
        """Copies of the trainable tensors, float32, in manifest order."""
        return _ordered(self._call("get_weights"))

    def set_weights(self, weights: Sequence[Floats]) -> None:
        """Replace the trainable tensors; raises `ValueError` when shapes or types are not the manifest's."""
        self._call("set_weights", **_named("w", weights, self._weight_shapes))

    def get_state(self) -> list[Floats]:
        """Copies of the optimiser's variables (none for SGD)."""
        return _ordered(self._call("get_state"))

    def set_state(self, state: Sequence[Floats]) -> None:
        """Replace the optimiser's variables by what `get_state` gave."""
        self._call("set_state", **_named("s", state, self._state_shapes))

    def reset_optimizer(self) -> None:
        """Put the optimiser's variables back to their first values."""
        self._call("reset_optimizer")

    def _call(self, signature: str, **inputs: Any) -> dict[str, Any]:
        """Run a signature. Its runner is not kept: a living one would forbid `invoke`."""
        outputs: dict[str, Any] = self._interpreter.get_signature_runner(signature)(**inputs)
        return outputs

    def _check(self, x: Floats, y: Labels, sample_weight: Floats) -> None:
        if x.shape != self._x_shape or x.dtype != np.float32:
            raise ValueError(f"x is {x.dtype} {x.shape}, not float32 {self._x_shape}")
        if y.shape != self.label_shape or y.dtype != self.label_dtype:
            raise ValueError(f"y is {y.dtype} {y.shape}, not {self.label_dtype} {self.label_shape}")
        if sample_weight.shape != self._weight_shape or sample_weight.dtype != np.float32:
            raise ValueError(
                f"sample_weight is {sample_weight.dtype} {sample_weight.shape}, not float32 [batch]"
            )


class InferenceGraph:
    """A plain .tflite file with one float input and one output, opened. For one thread at a time."""

    def __init__(self, interpreter: Any) -> None:
        """Use `open`."""
        self._interpreter = interpreter
        interpreter.allocate_tensors()
        given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        self._x, self._output = int(given["index"]), int(made["index"])
        shape = tuple(given["shape"].tolist())
        self.batch, self.dims = shape[0], shape[1:]
        self.outputs = prod(made["shape"].tolist()[1:])

    @classmethod
    def open(cls, path: Path, threads: int = 1) -> InferenceGraph:
        """Open a file. Raises `ModelError` when it cannot run here, `OSError` when it cannot be read and
        `RuntimeMissingError` when no runtime is installed."""
        with path.open("rb"):
            pass
        interpreter_class = _load_runtime()
        try:
            return cls(interpreter_class(model_path=str(path), num_threads=threads))
        except (ValueError, RuntimeError, KeyError, IndexError) as error:
            raise _refused(error) from error

    def run(self, x: Floats) -> Floats:
        """Outputs [n, K] for inputs float32 [n, ...]; a short last batch is filled up with zeros."""
        if x.shape[1:] != self.dims or x.dtype != np.float32:
            raise ValueError(f"inputs are {x.dtype} {x.shape[1:]}, not float32 {self.dims}")
        outputs = []
        for start in range(0, len(x), self.batch):
            chunk = np.zeros((self.batch, *self.dims), np.float32)
            part = x[start : start + self.batch]
            chunk[: len(part)] = part
            self._interpreter.set_tensor(self._x, chunk)
            self._interpreter.invoke()
            output = np.asarray(self._interpreter.get_tensor(self._output), np.float32)
            outputs.append(output.reshape(self.batch, -1)[: len(part)].copy())
        return np.concatenate(outputs) if outputs else np.zeros((0, 0), np.float32)


def _import(name: str) -> Any:
    """The module, or None when it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def _refused(error: Exception) -> ModelError:
    """The runtime's own words, which may be lines, as one sentence."""
    return ModelError(f"the TFLite runtime refuses the file: {' '.join(str(error).split())}")


def _load_runtime() -> Any:
    """The Interpreter class of the first runtime that can be imported."""
    found = next((module for module in map(_import, RUNTIMES) if module is not None), None)
    if found is not None:
        return found.Interpreter
    raise RuntimeMissingError(_MISSING)


def _read_manifest(source: str | PathLike[str] | bytes) -> Manifest:
    try:
        if isinstance(source, bytes):
            return Manifest.decode(read_metadata(source, MANIFEST_KEY))
        with _mapped(Path(source)) as content:
            return Manifest.decode(read_metadata(content, MANIFEST_KEY))
    except DecodeError as error:
        raise ModelError(f"the file's manifest is unreadable: {error}") from error


def _mapped(path: Path) -> mmap.mmap:
    """The file as read-only memory."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ModelError("the file is empty")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _shapes(interpreter: Any, signature: str) -> list[tuple[int, ...]]:
    """Shapes of the numbered inputs of a signature, in order."""
    details = interpreter.get_signature_runner(signature).get_input_details()
    return [tuple(details[name]["shape"].tolist()) for name in _in_order(details)]


def _train_inputs(interpreter: Any, shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """Indices of x, y, sample_weight and learning_rate; the file's own, as `train` is subgraph 0."""
    details = interpreter.get_input_details()
    if [tuple(detail["shape"].tolist()) for detail in details] != list(shapes):
        raise ModelError("the train signature does not fit the manifest")
    return [int(detail["index"]) for detail in details]


def _in_order(names: Iterable[str]) -> list[str]:
    """Numbered names by their numbers: w000, w001, ..., w999, w1000."""
    return sorted(names, key=lambda name: (len(name), name))


def _ordered(outputs: Mapping[str, Floats]) -> list[Floats]:
    """Arrays by the order of their names."""
    return [outputs[name] for name in _in_order(outputs)]


def _named(letter: str, arrays: Sequence[Floats], shapes: Sequence[tuple[int, ...]]) -> dict[str, Floats]:
    """Arrays under the names of their inputs; raises `ValueError` when they do not fit."""
    if [array.shape for array in arrays] != list(shapes) or any(
        array.dtype != np.float32 for array in arrays
    ):
        found = [f"{array.dtype} {array.shape}" for array in arrays]
        raise ValueError(f"arrays are {found}, not float32 of shapes {list(shapes)}")
    return {f"{letter}{i:03}": array for i, array in enumerate(arrays)}
