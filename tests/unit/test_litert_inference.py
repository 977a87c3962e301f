"""Inference files: what a training graph's recipe makes, on any board, and what may not be changed in one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_client.litert import zoo
from edge_client.litert.graph import InferenceGraph, TrainingGraph
from edge_client.litert.head import NewHead
from edge_client.litert.inference import (
    EXACT_MARK,
    RECIPE_KEY,
    SHARED_BYTES_MIN,
    Layout,
    Segment,
    SegmentKind,
    assemble,
    encode_recipe,
    fault_of,
    read_layout,
    take_apart,
)
from edge_client.litert.ir import ModelError
from edge_client.litert.metadata import MANIFEST_KEY, buffer_places, read_metadata
from edge_client.litert.network import Scope
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.manifest import Loss, Manifest
from edge_client.protocol.model import Vector, encode_model, model_root, to_fixed, to_float

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"
LAST, ALL, HEAD = Scope(layers=1), Scope(), NewHead(5)
CASES = [
    *[(name, scope, None) for name in ("small_cnn", "sensor_net", "keyword_net") for scope in (ALL, LAST)],
    *[(f"{maker}_lenet", scope, None) for maker in ("keras", "torch") for scope in (ALL, LAST)],
    ("keras_inverted_residual", LAST, HEAD),
    ("keras_layer_norm", ALL, None),
    ("torch_residual", ALL, None),
    ("int8_backbone", LAST, HEAD),
]


@dataclass(frozen=True)
class Made:
    """A training graph, a model that is not its first one, and the inference file of both."""

    graph: bytes
    manifest: Manifest
    vector: Vector

    @property
    def model(self) -> bytes:
        return encode_model(self.vector)

    @property
    def file(self) -> bytes:
        return b"".join(assemble(self.graph, self.model, self.manifest))

    def fault(self, data: bytes) -> str | None:
        return fault_of(data, self.manifest, model_root(self.model))


def make(model: bytes, scope: Scope = ALL, head: NewHead | None = None) -> Made:
    data = make_trainable(model, TrainingOptions(batch=4, scope=scope, new_head=head, input_scale_den=16))
    opened = TrainingGraph.open(data)
    first = np.concatenate([one.ravel() for one in opened.get_weights()])
    vector = to_fixed(first, opened.manifest.frac_bits)
    noise = np.random.default_rng(1).integers(-30_000, 30_000, len(vector), dtype=np.int32)
    return Made(data, opened.manifest, vector + noise)


def source(name: str) -> bytes:
    file = MODELS / f"{name}.tflite"
    data: bytes = file.read_bytes() if file.exists() else getattr(zoo, name)(1)
    return data


@pytest.fixture(scope="module")
def dense() -> Made:
    return make(zoo.dense_net((6, 8, 3), 1))


@pytest.mark.parametrize(("name", "scope", "head"), CASES)
def test_it_computes_what_the_training_graph_infers(
    name: str, scope: Scope, head: NewHead | None, tmp_path: Path
) -> None:
    made = make(source(name), scope, head)
    (tmp_path / "m.tflite").write_bytes(made.file)
    graph, manifest = TrainingGraph.open(made.graph), made.manifest
    parts = np.split(to_float(made.vector, manifest.frac_bits), np.cumsum(manifest.sizes)[:-1])
    graph.set_weights([part.reshape(one.dims) for part, one in zip(parts, manifest.tensors, strict=True)])
    x = np.random.default_rng(2).standard_normal((4, *manifest.input_dims)).astype(np.float32)
    expected = graph.infer(x).reshape(4, -1)
    np.testing.assert_allclose(InferenceGraph.open(tmp_path / "m.tflite").run(x), expected, atol=1e-5)
    assert made.fault(made.file) is None


def test_it_is_plain_and_as_small_as_the_model_was(dense: Made) -> None:
    assert len(dense.file) < len(zoo.dense_net((6, 8, 3), 1)) + 200
    assert len(read_metadata(dense.graph, RECIPE_KEY)) < 2_000
    with pytest.raises(ModelError, match=r"no 'federated_manifest' .* `edge-client trainable` makes files"):
        read_metadata(dense.file, MANIFEST_KEY)


def test_frozen_weights_stand_in_the_training_graph_once() -> None:
    recipe = read_metadata(make(source("keyword_net"), LAST).graph, RECIPE_KEY)
    assert len(recipe) < 5_000 < len(source("keyword_net")) // 10


def test_every_bit_of_the_file_counts(dense: Made) -> None:
    data = dense.file
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        assert dense.fault(bytes(changed)) is not None, f"byte {at}"
    for other in (data[:-1], data + b"\0", b"", data[:100], data + EXACT_MARK + bytes(8)):
        assert dense.fault(other) is not None


def test_another_model_in_the_same_frame_is_told(dense: Made) -> None:
    other = replace(dense, vector=dense.vector + 1)
    assert dense.fault(other.file) == "it holds another model than the proven one"


def test_the_same_weights_in_another_frame_are_told(dense: Made) -> None:
    """As somebody would who leaves the proven weights in the file and computes something else."""
    data, size = dense.file, read_layout(dense.file).size_bytes
    name = data.index(b"dense_2/kernel")
    forged = data[:name] + b"DENSE" + data[name + 5 :]
    assert take_apart(forged, dense.manifest).model == take_apart(data, dense.manifest).model
    assert "beside the weights" in (dense.fault(forged) or "")
    assert len(data) == size


def test_a_chain_without_an_inference_file_says_so(dense: Made) -> None:
    assert "names no inference file" in (
        fault_of(dense.file, replace(dense.manifest, inference_hash=None), bytes(32)) or ""
    )


class TestWhatFloatsCannotHold:
    """Parameters have 32 bits, float32 has 24: the exact integers stand behind the file."""

    def extreme(self, dense: Made) -> Made:
        vector = dense.vector.copy()
        vector[[0, 7, -1]] = (1 << 24) + 1, -(2**31), 2**31 - 1
        vector[3] = 1 << 24
        return replace(dense, vector=vector)

    def test_they_come_back(self, dense: Made) -> None:
        made = self.extreme(dense)
        assert take_apart(made.file, made.manifest).model == made.model
        size = read_layout(made.file).size_bytes
        assert np.frombuffer(made.file[size + len(EXACT_MARK) :], ">i4")[::2].tolist() == [0]

    def test_a_runtime_does_not_mind_them(self, dense: Made, tmp_path: Path) -> None:
        (tmp_path / "m.tflite").write_bytes(self.extreme(dense).file)
        assert InferenceGraph.open(tmp_path / "m.tflite").run(np.zeros((1, 6), np.float32)).shape == (1, 3)

    @pytest.mark.parametrize(
        ("rows", "why"),
        [
            ([], "does not belong"),
            ([(0, 1 << 24)], "not needed"),
            ([(-1, 5)], "out of order"),
            ([(1000, 5)], "out of order"),
            ([(0, (1 << 24) + 1), (0, (1 << 24) + 1)], "out of order"),
            ([(0, (1 << 24) + 3)], "no model's values"),
            ([(0, (1 << 24) + 1), (1, 5)], "no model's values"),
        ],
    )
    def test_they_can_say_one_thing_only(self, dense: Made, rows: list[tuple[int, int]], why: str) -> None:
        made = self.extreme(dense)
        frame = made.file[: read_layout(made.file).size_bytes]
        with pytest.raises(ModelError, match=why):
            take_apart(frame + EXACT_MARK + np.array(rows, ">i4").tobytes(), made.manifest)

    def test_minus_zero_and_what_is_not_finite(self, dense: Made) -> None:
        zero = replace(dense, vector=np.zeros_like(dense.vector))
        offset = read_layout(zero.file).places[0][0]
        for bits, why in ((b"\0\0\0\x80", "no model's values"), (b"\0\0\xc0\x7f", "not finite")):
            data = zero.file[:offset] + bits + zero.file[offset + 4 :]
            with pytest.raises(ModelError, match=why):
                take_apart(data, zero.manifest)


class TestHostileFiles:
    def test_a_layout_that_overlaps_or_leaves_the_file(self, dense: Made) -> None:
        data, layout = dense.file, read_layout(dense.file)
        at = data.index(layout.encode())
        first = layout.places[0]
        for places in (((0xFFFFFFFF, first[1]), *layout.places[1:]), (layout.places[1], *layout.places[1:])):
            forged = replace(layout, places=places).encode()
            assert dense.fault(data[:at] + forged + data[at + len(forged) :]) is not None
        longer = replace(layout, size_bytes=0xFFFFFFFF).encode()
        with pytest.raises(ModelError, match="cut off"):
            take_apart(data[:at] + longer + data[at + len(longer) :], dense.manifest)

    @pytest.mark.parametrize("change", [{"input_scale_den": 0}, {"frac_bits": 31}])
    def test_a_layout_that_makes_no_sense(self, change: dict[str, Any]) -> None:
        with pytest.raises(DecodeError):
            Layout.decode(replace(Layout(8, Loss.MSE, 20, 1, 1, ((0, 1),)), **change).encode())

    def test_recipes_that_do_not_fit(self, dense: Made) -> None:
        recipe = read_metadata(dense.graph, RECIPE_KEY)
        start = dense.graph.index(recipe)
        tensor, lacking = Segment(SegmentKind.WEIGHT, tensor=99), Segment(SegmentKind.SHARED, bytes(16))
        for other in (bytes(len(recipe)), encode_recipe([tensor]), encode_recipe([lacking]), b"\1\0\1\7"):
            changed = other.ljust(len(recipe), b"\0")
            with pytest.raises(ModelError):
                list(
                    assemble(
                        dense.graph[:start] + changed + dense.graph[start + len(recipe) :],
                        b"",
                        dense.manifest,
                    )
                )
        with pytest.raises(ModelError, match="parameters"):
            list(assemble(dense.graph, dense.model[4:], dense.manifest))
        with pytest.raises(ModelError, match="no 'federated_inference'"):
            list(assemble(dense.file, dense.model, dense.manifest))

    def test_damaged_files_are_values_not_crashes(self, dense: Made) -> None:
        random = np.random.default_rng(7)
        for _ in range(300):
            data = bytearray(dense.graph)
            for at in random.integers(0, 200, 4):
                data[at] = random.integers(0, 256)
            try:
                assert all(size >= 0 for _, size in buffer_places(bytes(data)))
                list(assemble(bytes(data), dense.model, dense.manifest))
            except ModelError:
                pass


def test_a_shared_constant_is_looked_up_by_its_content(dense: Made) -> None:
    """Two layers frozen, one trained: what is frozen is fetched from the training graph's own buffers."""
    made = make(zoo.dense_net((40, 30, 20, 3), 1), LAST)
    frozen = [size for _, size in buffer_places(made.file) if size >= 40 * 30 * 4]
    assert frozen == [4800]
    assert len(read_metadata(made.graph, RECIPE_KEY)) < 4800
    assert SHARED_BYTES_MIN <= 4800


def test_neither_schema_nor_runtime_is_needed(dense: Made, tmp_path: Path) -> None:
    """As on a 32-bit board, where no wheel carries the schema."""
    for name, data in (("graph", dense.graph), ("model", dense.model), ("manifest", dense.manifest.encode())):
        (tmp_path / name).write_bytes(data)
    code = f"""
import sys
from pathlib import Path
sys.modules.update(ai_edge_litert=None, flatbuffers=None, tflite_runtime=None)
from edge_client.litert.inference import assemble, take_apart
from edge_client.protocol.manifest import Manifest
folder = Path({str(tmp_path)!r})
graph, model, manifest = (folder.joinpath(name).read_bytes() for name in ("graph", "model", "manifest"))
manifest = Manifest.decode(manifest)
data = b"".join(assemble(graph, model, manifest))
assert take_apart(data, manifest).model == model
sys.stdout.buffer.write(data)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == dense.file
