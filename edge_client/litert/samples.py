"""Training graphs to measure a board with: those built in, and of any `.tflite` model.

Needs the schema of the LiteRT wheel.
"""

from __future__ import annotations

from edge_client.litert.head import NewHead
from edge_client.litert.network import Scope
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net, keyword_net, mcmahan_cnn

BUILT_IN = ("mlp", "cnn", "head")
BATCH = 32


def built_in(name: str) -> bytes:
    """Dense layers (784-128-10), the CNN of McMahan et al. 2017, or a head on frozen convolutions."""
    if name == "mlp":
        return of_model(dense_net((784, 128, 10), 0))
    if name == "cnn":
        return of_model(mcmahan_cnn(0))
    options = TrainingOptions(batch=BATCH, scope=Scope(layers=1), new_head=NewHead(10))
    return make_trainable(keyword_net(0), options)


def of_model(model: bytes) -> bytes:
    """All float weights of a classifier, in batches of `BATCH`; raises `ModelError`."""
    return make_trainable(model, TrainingOptions(batch=BATCH))
