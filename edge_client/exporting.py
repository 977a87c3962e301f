"""Models out of a device's folder: as plain .tflite files for the owner's own programs, and their proofs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.litert.inference import assemble
from edge_client.protocol.header import AppLeaves
from edge_client.protocol.proofs import ProofFile
from edge_client.proving import prove_model_at

BEST = "best"


class CannotExportError(Exception):
    """The folder does not hold what is asked for; one sentence for the owner."""


@dataclass(frozen=True, slots=True)
class Exportable:
    """A model that is stored here, the round that starts from it, and where it is proven."""

    root: bytes
    round: int
    height: int
    app: AppLeaves


def choose(disk: DeviceDisk, which: str | None) -> Exportable:
    """The model of a round ("7"), the best one on the local hold-out ("best"), or the latest (None).

    Raises `CannotExportError`.
    """
    known = {one.round: one for one in _stored(disk)}
    if not known:
        raise CannotExportError("no model is stored yet; run the device until it has trained once")
    if which is None:
        return known[max(known)]
    if which == BEST:
        best = disk.models.best()
        if best is None:
            raise CannotExportError(
                "nothing was measured yet: the device has not trained, or holds nothing out"
            )
        return Exportable(best.root, best.round, best.height, best.app)
    if not which.isascii() or not which.isdecimal() or int(which) not in known:
        kept = ", ".join(map(str, sorted(known)))
        raise CannotExportError(
            f"the model of round {which} is not kept here; kept are those of {kept}, or 'best'"
        )
    return known[int(which)]


def _stored(disk: DeviceDisk) -> Iterator[Exportable]:
    here = frozenset(disk.objects.roots())
    for one in disk.models.all():
        if one.root in here:
            yield Exportable(one.root, one.round, one.height, one.app)
    head = disk.chain.head()
    if head is not None and head.app.model_root in here:
        yield Exportable(head.app.model_root, head.learning.round, head.height, head.app)


@contextmanager
def inference_file(disk: DeviceDisk, root: bytes) -> Iterator[Iterator[bytes]]:
    """The pieces of the inference file with this model; raises `CannotExportError` and `ModelError`."""
    genesis, model = disk.genesis(), disk.objects.get(root)
    if genesis is None or model is None:
        raise CannotExportError("the model is not stored here any more; try again")
    path = disk.objects.path(genesis.graph_root)
    if not path.is_file():
        raise CannotExportError("the chain's training graph is not stored here yet; run the device first")
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as graph:
        yield assemble(graph, model, genesis.manifest)


def proof_of(disk: DeviceDisk, model: Exportable) -> ProofFile:
    """That a final header commits to this model; raises `CannotProveError`."""
    return prove_model_at(disk, model.height, model.app)
