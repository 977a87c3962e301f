"""The same file on every runtime we promise, each in an environment of its own, gives the same training."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_client.litert import zoo
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.optimizers import Optimizer
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.protocol.model import encode_model, to_fixed

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("litert_run.py")
PYTHON = "python3.11"
RUNTIMES = {
    "tflite-runtime-2.14": (".venv-tflite", ("tflite-runtime==2.14.0", "numpy<2"), "tflite_runtime"),
    "ai-edge-litert-2.1": (".venv-litert21", ("ai-edge-litert==2.1.0",), "ai_edge_litert"),
}
MODELS = {
    "digits": lambda: zoo.dense_net((64, 32, 10), 1),
    "784-128-10": lambda: zoo.dense_net((784, 128, 10), 1),
    "small_cnn": lambda: zoo.small_cnn(1),
    "sensor_net": lambda: zoo.sensor_net(1),
    "keyword_net": lambda: zoo.keyword_net(1),
}
STEPS = 20

pytestmark = pytest.mark.slow


def environment(folder: str, packages: tuple[str, ...], module: str) -> Path:
    """Python of an environment with these packages, made in the clone when it is missing: by one test at a
    time, for others run beside it."""
    with (ROOT / f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _made(folder, packages, module)


def _made(folder: str, packages: tuple[str, ...], module: str) -> Path:
    python = ROOT / folder / "bin" / "python"
    if not python.exists():
        base = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which(PYTHON)
        if base is None:
            pytest.skip(f"{PYTHON} is not on this machine")
        subprocess.run([base, "-m", "venv", ROOT / folder], check=True)
    if subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode:
        install = [str(python), "-m", "pip", "install", "--quiet", *packages]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot install {packages[0]}: {done.stderr.strip().splitlines()[-1]}")
    return python


def trained(
    python: str | Path, path: Path, steps: int = STEPS, store: Path | None = None
) -> dict[str, list[float]]:
    command = [str(part) for part in (python, PROGRAM, path, steps, *([store] if store else []))]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run(command, capture_output=True, text=True, env=settings, check=False)
    assert shown.returncode == 0, shown.stderr
    result: dict[str, list[float]] = json.loads(shown.stdout.strip().splitlines()[-1])
    return result


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("model", MODELS)
def test_other_runtimes_train_alike(tmp_path: Path, model: str, runtime: str) -> None:
    folder, packages, module = RUNTIMES[runtime]
    python = environment(folder, packages, module)
    path = tmp_path / "model.tflite"
    path.write_bytes(make_trainable(MODELS[model](), TrainingOptions(batch=8)))
    mine, other = trained(sys.executable, path), trained(python, path)
    assert str(other["runtime"]).startswith(module)
    np.testing.assert_allclose(other["losses"], mine["losses"], rtol=1e-4)
    np.testing.assert_allclose(other["weights"], mine["weights"], rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("optimizer", Optimizer)
def test_training_goes_on_in_a_new_process_as_if_it_had_not_ended(
    tmp_path: Path, optimizer: Optimizer
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(make_trainable(zoo.small_cnn(1), TrainingOptions(batch=8, optimizer=optimizer)))
    whole = trained(sys.executable, path, 8)
    store = tmp_path / "kept.npz"
    parts = [trained(sys.executable, path, 4, store) for _ in range(2)]
    assert parts[0]["losses"] + parts[1]["losses"] == whole["losses"]
    assert parts[1]["weights"] == whole["weights"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_inference_file_says_the_same_everywhere(tmp_path: Path, runtime: str) -> None:
    """Put together and run where there is no schema, and no more than NumPy beside the runtime."""
    graph = make_trainable(zoo.small_cnn(1), TrainingOptions(batch=4))
    opened = TrainingGraph.open(graph)
    weights = np.concatenate([one.ravel() for one in opened.get_weights()])
    (tmp_path / "graph").write_bytes(graph)
    (tmp_path / "model").write_bytes(encode_model(to_fixed(weights, opened.manifest.frac_bits)))
    x = np.random.default_rng(3).random((4, 28, 28, 1), np.float32)
    np.save(tmp_path / "x.npy", x)
    code = """
import json, sys
from pathlib import Path
import numpy as np
from edge_client import Model
from edge_client.litert.inference import assemble
from edge_client.litert.metadata import MANIFEST_KEY, read_metadata
from edge_client.protocol.manifest import Manifest
folder = Path(sys.argv[1])
graph, model = (folder / "graph").read_bytes(), (folder / "model").read_bytes()
manifest = Manifest.decode(read_metadata(graph, MANIFEST_KEY))
(folder / "m.tflite").write_bytes(b"".join(assemble(graph, model, manifest)))
print(json.dumps(Model(folder / "m.tflite").outputs(np.load(folder / "x.npy")).tolist()))
"""
    command = [str(environment(*RUNTIMES[runtime])), "-c", code, str(tmp_path)]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run(command, capture_output=True, text=True, env=settings, check=False)
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout.strip().splitlines()[-1])
    np.testing.assert_allclose(found, opened.infer(x), atol=1e-5)
