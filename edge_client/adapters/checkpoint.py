"""Interrupted training as bytes: all that is needed to go on to the very result that was coming.

The order is kept beside (`CheckpointStore`); it holds the seed, from which the order of samples and the
rounding are drawn again. What is left is where the work stands, and what it stands on.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from edge_client.adapters.outbox_store import PartKind, ResidualPart
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.training import Begun, Dataset
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.model import Floats


@dataclass(frozen=True, slots=True)
class TrainingCheckpoint:
    """Where the work stands (`begun`), weights and optimiser variables there, a digest of the samples, the
    parts of the residual that were there at the beginning, and what it did cost so far."""

    begun: Begun
    weights: tuple[Floats, ...]
    optimizer: tuple[Floats, ...]
    samples_digest: bytes
    parts: tuple[ResidualPart, ...]
    train_ms: int
    energy_mj: int | None

    def encode(self) -> bytes:
        """As an archive of arrays; the same content gives the same bytes."""
        energy_mj = -1 if self.energy_mj is None else self.energy_mj
        numbers = [self.begun.steps, self.begun.loss_before_micro, self.train_ms, energy_mj]
        rows = [
            part.root + bytes([part.kind == PartKind.UPDATE]) + part.freed_round.to_bytes(4, "big")
            for part in self.parts
        ]
        arrays = {
            "numbers": np.array(numbers, np.int64),
            "samples": np.frombuffer(self.samples_digest, np.uint8),
            "parts": np.frombuffer(b"".join(rows), np.uint8),
        }
        arrays |= {f"w{i}": one for i, one in enumerate(self.weights)}
        arrays |= {f"o{i}": one for i, one in enumerate(self.optimizer)}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> TrainingCheckpoint | None:
        """Inverse of `encode`; None for anything else, after which the round is trained from its start."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                steps, loss, train_ms, energy_mj = arrays["numbers"].tolist()
                return cls(
                    Begun(steps, loss),
                    tuple(arrays[f"w{i}"] for i in range(_count(arrays.files, "w"))),
                    tuple(arrays[f"o{i}"] for i in range(_count(arrays.files, "o"))),
                    arrays["samples"].tobytes(),
                    _parts(arrays["parts"].tobytes()),
                    train_ms,
                    None if energy_mj < 0 else energy_mj,
                )
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
            return None

    def fits(self, graph: TrainingGraph, samples_digest: bytes) -> bool:
        """Whether the work can go on with this graph and on these samples."""
        shapes = [one.shape for one in self.weights]
        return self.samples_digest == samples_digest and shapes == [w.dims for w in graph.manifest.tensors]

    def restore(self, graph: TrainingGraph) -> None:
        """Put the graph to where it was."""
        graph.set_weights(self.weights)
        if self.optimizer:
            graph.set_state(self.optimizer)


def digest_of(data: Dataset) -> bytes:
    """32 bytes that stand for the samples, their labels and their order."""
    found = blake2b(digest_size=HASH_BYTES)
    for array in (data.x, data.y, data.indices):
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.digest()


def _count(names: Sequence[str], letter: str) -> int:
    return sum(name[0] == letter and name[1:].isdecimal() for name in names)


def _parts(data: bytes) -> tuple[ResidualPart, ...]:
    size = HASH_BYTES + 5
    rows = [data[at : at + size] for at in range(0, len(data), size)]
    return tuple(
        ResidualPart(
            row[:HASH_BYTES],
            PartKind.UPDATE if row[HASH_BYTES] else PartKind.RESIDUE,
            int.from_bytes(row[HASH_BYTES + 1 :], "big"),
        )
        for row in rows
    )
