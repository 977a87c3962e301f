"""A validator's folder after a cut: opened, checked, and lived on in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from broker.adapters.block_store import BlockStore
from broker.adapters.status_file import read_status_file
from broker.core.consensus.log_entries import decode_log
from broker.core.ledger import included_updates
from broker.core.pruning import body_floor
from edge_client.protocol.body import decode_block
from tests.integration.killed_validator import genesis
from tests.power.judging import Ending, Found
from tests.power.validator_block import BlockByBlock, ValidatorFolder
from tests.power.words import Teller

MODULE = "tests.power.validator_block"
LATE_MS = 7_000


def prepare(place: Path) -> Path:
    """An empty state folder."""
    state = place / "state"
    state.mkdir()
    return state


class ValidatorSubject:
    """See `Subject`."""

    def look(self, folder: Path) -> Found:
        """What a starting validator finds; everything that is pointed to must be there. The last words of the
        status can be asked for, whatever became of them."""
        read_status_file(folder)
        disk = ValidatorFolder(folder)
        units, faults = disk.units(), tuple(faults_of(disk.store))
        disk.store.close()
        objects = frozenset(str(path.relative_to(folder)) for path in folder.glob("*/*"))
        return Found(units, faults, objects)

    def finish(self, folder: Path, chain: Sequence[Sequence[str]]) -> Ending:
        """To the next block, after which everything still fits."""
        disk, teller = ValidatorFolder(folder), Teller()
        life = BlockByBlock(disk, teller, LATE_MS)
        life.live(life.machine.head.height + 1)
        faults = tuple(faults_of(disk.store))
        disk.store.close()
        return Ending(teller.signed, faults)


def faults_of(store: BlockStore) -> Iterator[str]:
    """What does not fit together: blocks in the window, bodies of offers, model, states, the log."""
    stored = store.load()
    if stored.head is not None:
        state, height = stored.head.state, stored.head.header.height
        floor = body_floor(height, state.params.in_force)
        for number in range(1, height + 1):
            yield from block_faults(store, number, floor)
        yield from (
            f"the model of base {one.height} is gone"
            for one in state.bases
            if store.model(one.model_root) is None
        )
        for one in store.retention.checkpoints():
            if store.retention.state(one.app.state_root) is None:
                yield f"the state of checkpoint {one.height} is gone"
    for offer in stored.offers:
        if store.update(offer.head.update_root) is None:
            yield "an update was acknowledged and its body is gone"
    if decode_log(stored.log)[1] != len(stored.log):
        yield "the log of own votes is torn"


def block_faults(store: BlockStore, height: int, floor: int) -> Iterator[str]:
    """What one final block lacks."""
    header = store.header(height)
    block = None if header is None else store.block(header.hash(genesis().chain_id()))
    if header is None or block is None:
        yield f"block {height} is final and not there"
        return
    found, body = decode_block(block)
    if (found, body.root()) != (header, header.body_root):
        yield f"block {height} is another one"
    for root, place in included_updates(body):
        if store.inclusion(root) != (height, place):
            yield f"an update of block {height} is not found"
        if height > floor and store.update(root) is None:
            yield f"the body of an update of block {height} is gone"
