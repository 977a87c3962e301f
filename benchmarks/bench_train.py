"""`make bench-train`: step time and peak memory of training graphs against PyTorch, in one run.

Every number comes from fresh processes with one thread. The two runtimes take turns, several times, and the
ratio is the median of the ratios of a turn, so that a busy minute hits both. Steps are timed by the CPU time
of the process, which with one thread is the wall time of a machine that does nothing else. PyTorch lives in
`.venv-oracle`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from benchmarks.figures import report
from edge_client.litert import ops, zoo
from edge_client.litert.builder import GraphBuilder
from edge_client.litert.ir import Graph, Signature
from edge_client.litert.network import Scope
from edge_client.litert.signatures import SignatureBuilder
from edge_client.litert.trainable import TrainingOptions, build, make_trainable, prepare
from edge_client.litert.writer import write_model

TORCH = "torch==2.13.0"
ORACLE = Path(".venv-oracle")
PEAK_SIZE, PEAK_RUNS = 512, 20
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: its name in the issue, the model of the zoo, and the batch."""

    title: str
    model: str
    batch: int

    def inference_model(self) -> bytes:
        """The model before it is made trainable."""
        return zoo.dense_net((784, 128, 10), 1) if self.model == "dense_net" else getattr(zoo, self.model)(1)


CASES = (
    Case("784-128-10, batch 10", "dense_net", 10),
    Case("2NN, batch 10", "two_nn", 10),
    Case("CNN 1.66M, batch 10", "mcmahan_cnn", 10),
    Case("conv 3x3x8, pool, conv 3x3x16, pool, dense, batch 10", "small_cnn", 10),
    Case("depthwise-separable net, batch 32", "keyword_net", 32),
)


def oracle_python() -> Path:
    """Python of the environment with PyTorch, made when it is missing."""
    python = ORACLE / "bin" / "python"
    if not python.exists():
        venv.create(ORACLE, with_pip=True)
    check = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False)
    if check.returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", TORCH, "numpy"], check=True)
    return python


def run(command: list[str | Path]) -> dict[str, float]:
    """What a program prints as JSON in its last line."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    shown = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **threads},
    )
    result: dict[str, float] = json.loads(shown.stdout.strip().splitlines()[-1])
    return result


def matmul_peak_flops() -> float:
    """Most multiply-and-add operations a second (each counts two) of one large matrix product in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 (only the parent measures with it)

    b = GraphBuilder("peak")
    x, y = (b.input(name, (PEAK_SIZE, PEAK_SIZE)) for name in "xy")
    data = write_model([Signature(b.build((ops.matmul(b, x, y),)), ("x", "y"), ("z",))])
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], np.ones((PEAK_SIZE, PEAK_SIZE), np.float32))
    times = []
    for _ in range(PEAK_RUNS):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - start)
    return 2 * PEAK_SIZE**3 / min(times)


def matmul_flops(train: Graph) -> float:
    """Floating-point operations of all matrix products in one training step."""
    total = 0
    for op in train.ops:
        if op.kind == "BATCH_MATMUL":
            x, y = (train.tensors[index].shape for index in op.inputs)
            inner = x[-2] if op.option("adjX") else x[-1]
            total += 2 * inner * prod(train.tensors[op.outputs[0]].shape)
            assert inner in y
    return total


def measure(case: Case, folder: Path, turns: int, seconds: float) -> dict[str, float]:
    """Ratios of step time and peak memory, the share of the matmul peak, and the Python part in us."""
    path = folder / f"{case.model}.tflite"
    options = TrainingOptions(batch=case.batch)
    prepared = prepare(case.inference_model(), options)
    path.write_bytes(build(prepared, options))
    train = SignatureBuilder(prepared.network, options.loss, options.optimizer).train()
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    python = oracle_python()
    for _ in range(turns):
        ours.append(run([sys.executable, "-m", "benchmarks.train.litert_step", path, str(seconds)]))
        script = HERE / "train" / "torch_step.py"
        theirs.append(run([python, script, case.model, str(case.batch), str(seconds)]))
    assert ours[0]["parameters"] == theirs[0]["parameters"], case.title
    pairs = list(zip(ours, theirs, strict=True))
    step_s = statistics.median(row["step_s"] for row in ours)
    torch_s = statistics.median(row["step_s"] for row in theirs)
    print(f"{case.title}: {step_s * 1e3:.3f} ms, PyTorch {torch_s * 1e3:.3f} ms")
    return {
        "step": statistics.median(mine["step_s"] / other["step_s"] for mine, other in pairs),
        "memory": max(row["peak_mb"] for row in ours) / min(row["peak_mb"] for row in theirs),
        "share": matmul_flops(train) / step_s / matmul_peak_flops(),
        "python_us": statistics.median(row["python_s"] for row in ours) * 1e6,
    }


def last_block_peak_mb(folder: Path, seconds: float) -> float:
    """Peak of a process that trains the last block and head of the 11.7M-parameter net, batch 10."""
    path = folder / "residual_net.tflite"
    path.write_bytes(make_trainable(zoo.residual_net(1), TrainingOptions(batch=10, scope=Scope(layers=3))))
    return run([sys.executable, "-m", "benchmarks.train.litert_step", path, str(seconds)])["peak_mb"]


def main() -> int:
    """Measure everything; exit code 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short turn each")
    arguments = parser.parse_args()
    turns, seconds = (1, 0.5) if arguments.quick else (5, 2.0)
    measured: dict[str, float | int | bool | None] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = {case.title: measure(case, folder, turns, seconds) for case in CASES}
        for title, result in results.items():
            measured[f"step time: {title}"] = result["step"]
            measured[f"peak memory: {title}"] = result["memory"]
            measured[f"share of the machine's matmul peak: {title}"] = result["share"]
        measured["Python part of a step"] = results[CASES[0].title]["python_us"]
        peak = last_block_peak_mb(folder, seconds)
        measured["last block of the 11.7M-parameter net trains: process peak"] = peak
    figures = report("bench-train", measured, quick=arguments.quick)
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
