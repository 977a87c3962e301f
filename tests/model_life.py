"""A device that lives on a chain with a real training graph: validators are played, training is real."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from queue import Queue

import numpy as np

from edge_client.adapters.hook import Hook
from edge_client.adapters.model_files import ModelFiles
from edge_client.adapters.publisher import NewModel, Publisher
from edge_client.adapters.trainer import Job, Trainer, TrainerSetup
from edge_client.config import read_config
from edge_client.core.events import ModelMeasured, TrainingFailed, TrainingFinished, TrainingPaused
from edge_client.device_folder import CONFIG_FILE
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.protocol.chunks import blob_root
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.model import model_root
from tests.builders import ChainMaker, make_genesis, make_model, make_params
from tests.owned_device import T0_S, init_device, live_in
from tests.real_disk import RealDisk

WAIT_S = 60
CLASSES = 3


def samples() -> tuple[np.ndarray, np.ndarray]:
    """80 samples of six bytes, in three classes that can be told apart."""
    random = np.random.default_rng(5)
    y = random.integers(0, CLASSES, 80)
    return random.integers(0, 100, (80, 6), dtype=np.uint8) + (y[:, None] * 60).astype(np.uint8), y


@cache
def _learning_genesis() -> tuple[Genesis, bytes]:
    graph = make_trainable(dense_net((6, 8, 3), 1), TrainingOptions(batch=10, input_scale_den=255))
    manifest = TrainingGraph.open(graph).manifest
    genesis = make_genesis(
        t0_s=T0_S,
        manifest=manifest,
        graph_root=blob_root(graph),
        graph_bytes=len(graph),
        model_root=model_root(make_model(manifest)),
        params=make_params(local_epochs=3, batch=10, learning_rate_q20=1 << 19),
    )
    return genesis, graph


def learning_chain() -> ChainMaker:
    """A chain of four validators before its first block, with a small graph that can be trained."""
    genesis, graph = _learning_genesis()
    return ChainMaker(genesis, graph=graph)


class Life:
    """The device in `folder`, which learns from `source`; joined, with its first order."""

    def __init__(self, folder: Path, source: str, data_keys: str = "") -> None:
        self.chain = learning_chain()
        self.manifest = self.chain.genesis.manifest
        self.state = init_device(folder / "state", self.chain.chain_id, source)
        config = self.state / CONFIG_FILE
        config.write_text(config.read_text().replace("# keep_samples", f"{data_keys}\n# keep_samples"))
        self.world = live_in(self.state, self.chain)
        assert isinstance(self.world.disk, RealDisk)
        self.disk = self.world.disk
        self.world.join()

    def round(self) -> TrainingFinished:
        """Train the open round and have its update included."""
        results: Queue[ModelMeasured | TrainingFinished | TrainingFailed | TrainingPaused] = Queue()
        key, objects = self.world.signer.public_key, self.disk.real.objects
        trainer = Trainer(
            TrainerSetup(key, objects, read_config(self.state).own_data(self.state), 1, results.put_nowait)
        )
        job = Job(self.world.orders[-1], self.disk.real.outbox.residual())
        trainer.start(self.chain.genesis, job)
        measured, finished = results.get(timeout=WAIT_S), results.get(timeout=WAIT_S)
        assert isinstance(measured, ModelMeasured), measured
        assert isinstance(finished, TrainingFinished), finished
        self.chain.update_bodies[finished.update_root] = objects.get(finished.update_root) or b""
        self.world.tell(measured)
        self.world.tell(finished)
        self.chain.add([self.world.offers[-1].head], self.chain.time_s + 100)
        self.world.publish_head()
        self.world.answer()
        return finished

    def publisher(self, hook: Hook | None = None) -> Publisher:
        files = ModelFiles(self.state)
        return Publisher(self.disk.real.objects, files, hook or Hook((), self.state, print), print)

    def newest(self) -> NewModel:
        head = self.disk.real.chain.head()
        assert head is not None
        return NewModel(self.chain.genesis, head.app.model_root, head.height, head.learning.round)
