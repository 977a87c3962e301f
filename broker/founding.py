"""Founding a chain: from a training graph, keys and rules to the files a validator starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_client.litert.graph import TrainingGraph
from edge_client.protocol.chunks import blob_root
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.genesis import Admission, Genesis
from edge_client.protocol.model import encode_model, model_root, to_fixed
from edge_client.protocol.params import RoundParams
from edge_client.protocol.validators import ValidatorSet
from edge_client.runtime.files import replace

GENESIS_FILE, GRAPH_FILE, MODEL_FILE = "genesis.bin", "graph.tflite", "model.bin"


class ChainFilesError(Exception):
    """The files of a chain cannot be used; the text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class ChainFiles:
    """What every validator has before its first block: genesis, training graph, initial model."""

    genesis: Genesis
    graph: bytes
    model: bytes

    @property
    def chain_id(self) -> bytes:
        """Hash of genesis."""
        return self.genesis.chain_id()

    def write(self, folder: Path) -> None:
        """Write the three files."""
        folder.mkdir(parents=True, exist_ok=True)
        replace(folder / GENESIS_FILE, self.genesis.encode())
        replace(folder / GRAPH_FILE, self.graph)
        replace(folder / MODEL_FILE, self.model)

    @classmethod
    def read(cls, folder: Path) -> ChainFiles:
        """Read and check them against each other; raises `ChainFilesError`."""
        try:
            genesis = Genesis.decode((folder / GENESIS_FILE).read_bytes())
            files = cls(genesis, (folder / GRAPH_FILE).read_bytes(), (folder / MODEL_FILE).read_bytes())
        except OSError as error:
            raise ChainFilesError(
                f"cannot read the chain files in {folder}: {error}; `edge-broker init` writes them"
            ) from error
        except DecodeError as error:
            raise ChainFilesError(f"{folder / GENESIS_FILE} is not a genesis file: {error.detail}") from error
        if blob_root(files.graph) != genesis.graph_root or model_root(files.model) != genesis.model_root:
            raise ChainFilesError(f"graph or model in {folder} is not the one that genesis names")
        return files


@dataclass(frozen=True, slots=True)
class Founders:
    """Who decides: validators vote on blocks, a threshold of owners changes the rules."""

    validators: tuple[bytes, ...]
    owners: tuple[bytes, ...]
    owner_threshold: int = 1
    admission: Admission = Admission.OPEN
    admitted: tuple[bytes, ...] = ()


def found(graph: bytes, founders: Founders, params: RoundParams, t0_s: int) -> ChainFiles:
    """A new chain that starts at `t0_s` (Unix seconds) with the weights inside the training graph.

    Raises `DecodeError` for contradictory rules, and what `TrainingGraph.open` raises for a bad graph.
    """
    params.check()
    opened = TrainingGraph.open(graph)
    manifest = opened.manifest
    weights = np.concatenate([tensor.ravel() for tensor in opened.get_weights()])
    model = encode_model(to_fixed(weights, manifest.frac_bits))
    genesis = Genesis(
        t0_s=t0_s,
        validators=ValidatorSet(founders.validators),
        owners=founders.owners,
        owner_threshold=founders.owner_threshold,
        admission=founders.admission,
        admitted=founders.admitted,
        graph_root=blob_root(graph),
        graph_bytes=len(graph),
        manifest=manifest,
        model_root=model_root(model),
        params=params,
    )
    genesis.check()
    return ChainFiles(genesis, graph, model)
