"""Any model goes into an inference file and comes out again; any other bytes are not that file."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_client.litert.inference import assemble, fault_of, take_apart
from edge_client.litert.metadata import MANIFEST_KEY, read_metadata
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.protocol.manifest import Manifest
from edge_client.protocol.model import encode_model, model_root

PARAMETERS = 3 * 2 + 2
EDGES = [sign * ((1 << 24) + step) for sign in (1, -1) for step in (-1, 0, 1, 2)]
VALUES = st.integers(-(2**31), 2**31 - 1) | st.sampled_from(EDGES) | st.integers(-4, 4)
MODELS = st.lists(VALUES, min_size=PARAMETERS, max_size=PARAMETERS).map(
    lambda values: encode_model(np.array(values, np.int32))
)


@cache
def graph_for(frac_bits: int) -> tuple[bytes, Manifest]:
    data = make_trainable(dense_net((3, 2), 1), TrainingOptions(batch=2, frac_bits=frac_bits))
    return data, Manifest.decode(read_metadata(data, MANIFEST_KEY))


@given(model=MODELS, frac_bits=st.sampled_from([0, 7, 20, 30]))
def test_a_model_comes_back_exactly(model: bytes, frac_bits: int) -> None:
    graph, manifest = graph_for(frac_bits)
    data = b"".join(assemble(graph, model, manifest))
    assert take_apart(data, manifest).model == model
    assert fault_of(data, manifest, model_root(model)) is None


@given(model=MODELS, where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_other_bytes_hold_it(model: bytes, where: float, flip: int) -> None:
    graph, manifest = graph_for(20)
    data = bytearray(b"".join(assemble(graph, model, manifest)))
    data[int(where * len(data))] ^= flip
    assert fault_of(bytes(data), manifest, model_root(model)) is not None


@given(data=st.binary(max_size=400))
def test_rubbish_behind_the_mark_is_a_fault(data: bytes) -> None:
    _, manifest = graph_for(20)
    assert fault_of(bytes(4) + b"TFL3" + data, manifest, bytes(32)) is not None
