"""Runs a model and its training graph on the same samples: what was rewritten must compute the same."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from edge_client.litert.graph import Floats, TrainingGraph
from edge_client.litert.ir import ModelError

TOLERANCE = 1e-3


def check_inference(model: bytes, graph: TrainingGraph) -> None:
    """Raise `ModelError` when `infer` and the model differ, as when the batch stands where none is expected.

    Only for models with float input and output and their own head.
    """
    expected, samples = _original(model, graph.manifest.batch)
    got = graph.infer(np.concatenate([samples] * (graph.manifest.batch // len(samples))))
    for part in np.split(got.reshape(len(got), -1), len(got) // len(samples)):
        if not np.allclose(part, expected, rtol=TOLERANCE, atol=TOLERANCE):
            raise ModelError(
                "the training graph does not compute what the model does: its batch could not be followed; "
                f"convert the model with a batch of {graph.manifest.batch}"
            )


def _original(model: bytes, batch: int) -> tuple[Floats, Floats]:
    """Output [n, ...] and input of the model at its own batch, for seeded samples."""
    runtime = import_module("ai_edge_litert.interpreter")
    try:
        interpreter = runtime.Interpreter(model_content=model, num_threads=1)
        given = interpreter.get_input_details()[0]
        samples = np.random.default_rng(batch).standard_normal(given["shape"]).astype(np.float32)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], samples)
        interpreter.invoke()
        output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"the TFLite runtime refuses the model: {error}") from error
    return np.asarray(output, np.float32).reshape(len(samples), -1), samples
