"""Damaged model files, whatever the damage, end in a network or in one typed error."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_client.litert.head import NewHead
from edge_client.litert.ir import ModelError
from edge_client.litert.trainable import TrainingOptions, build, prepare
from edge_client.litert.zoo import small_cnn

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"
FILES = [path.read_bytes() for path in sorted(MODELS.glob("*.tflite"))] + [small_cnn(1)]
WORDS = st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000, 0x00FFFFFF])
bytes_ = st.integers(0, 255).map(lambda value: bytes([value]))
words = WORDS.map(lambda value: value.to_bytes(4, "little"))
damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), bytes_ | words), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FILES), damage, st.floats(0, 1), st.sampled_from([1, 8]), st.booleans())
def test_damaged_files_are_refused_or_prepared(data, damage, cut, batch, headed) -> None:
    changed = bytearray(data)
    for where, content in damage:
        at = int(where * len(changed))
        changed[at : at + len(content)] = content
    if cut < 0.1:
        del changed[int(cut * 10 * len(changed)) :]
    options = TrainingOptions(batch=batch, new_head=NewHead(3) if headed else None)
    with suppress(ModelError):
        build(prepare(bytes(changed), options), options)
