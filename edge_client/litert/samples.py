"""Training graphs to measure a board with: those built in, and of any `.tflite` model.

Needs the schema of the LiteRT wheel.
"""

from __future__ import annotations

from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net, mcmahan_cnn

BUILT_IN = ("mlp", "cnn", "head")
BATCH = 10


def built_in(name: str) -> bytes:
    """Dense 784-128-10, the CNN of McMahan et al. 2017, or dense 1280-10, a head on features that were
    computed before; board profiles name step times of these (docs/FLEETS.md)."""
    if name == "mlp":
        return of_model(dense_net((784, 128, 10), 0))
    return of_model(mcmahan_cnn(0) if name == "cnn" else dense_net((1280, 10), 0))


def of_model(model: bytes) -> bytes:
    """All float weights of a classifier, in batches of `BATCH`; raises `ModelError`."""
    return make_trainable(model, TrainingOptions(batch=BATCH))
