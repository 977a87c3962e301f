"""What wakes a device up: answers out of a `ChainMaker`, and made-up ones of a chain of a million blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from broker.core.waking import Wakings
from edge_client.core.trusted import Tip
from edge_client.core.waking import Known
from edge_client.protocol.body import RecordProof, encode_block
from edge_client.protocol.header import Header
from edge_client.protocol.light import LightBlock
from edge_client.protocol.mmr import Peaks, parent_hash
from edge_client.protocol.mmr_extension import extend, extension_places
from edge_client.protocol.mmr_nodes import appended
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.votes import Finality, Quorum, finalize
from edge_client.protocol.wake import NAME_BYTES, Awake, BareAccount, BareHead, EarlierHeader, Shown, Wake
from tests.builders import ChainMaker, make_genesis
from tests.ledger_rig import tip_of

ACCOUNTS, UPDATES = 1_000, 128
NEXT_BLOCK = (262_143, 262_144, 983_039)
"""Tip, the device's update in the block after it, head: no heights up to a million cost more (37 hashes)."""
ANY_BLOCK = (0, 524_289, 983_039)
"""The same for an update in any block: 55 hashes."""


@dataclass
class ChainArchive:
    """What `Wakings` looks up, of a chain in memory that goes on growing."""

    chain: ChainMaker
    nodes: list[bytes] = field(default_factory=list)
    leaves: int = 0

    def mmr_node(self, position: int) -> bytes | None:
        """See `Archive.mmr_node`."""
        for leaf in self.chain.leaves()[self.leaves :]:
            self.nodes += appended(self.leaves, leaf, self.nodes.__getitem__)
            self.leaves += 1
        return self.nodes[position] if position < len(self.nodes) else None

    def header(self, height: int) -> Header | None:
        """See `Archive.header`."""
        return self.chain.headers[height - 1] if 1 <= height <= self.chain.height else None

    def block(self, header_hash: bytes) -> bytes | None:
        """See `Archive.block`."""
        blocks = zip(self.chain.headers, self.chain.bodies, strict=True)
        found = (pair for pair in blocks if pair[0].hash(self.chain.chain_id) == header_hash)
        return next((encode_block(*pair) for pair in found), None)

    def inclusion(self, update_root: bytes) -> tuple[int, int] | None:
        """See `Archive.inclusion`."""
        for height, body in enumerate(self.chain.bodies, start=1):
            for index, record in enumerate(body.records):
                if isinstance(record, UpdateHead) and record.update_root == update_root:
                    return height, index
        return None


def awake_of(chain: ChainMaker, account: int | None, question: Wake, height: int | None = None) -> Awake:
    """What a validator whose head has this height answers."""
    wakings = Wakings(ChainArchive(chain), chain.chain_id)  # type: ignore[arg-type]
    height = chain.height if height is None else height
    if height:
        wakings.new_head(chain.light_block(height))
    answer = wakings.answer(tip_of(chain, height), account, question)
    assert answer is not None
    return answer


def told(
    chain: ChainMaker, account: int | None, roots: Sequence[bytes] = (), height: int | None = None
) -> Awake:
    """What a device that has all headers hears of a validator whose head has this height."""
    height = chain.height if height is None else height
    return awake_of(chain, account, Wake(0, max(height, chain.height), 1, False, tuple(roots)), height)


def known_of(chain: ChainMaker, height: int, account: int, updates: tuple[UpdateHead, ...] = ()) -> Known:
    """A device whose tip has this height."""
    hash_ = chain.headers[height - 1].hash(chain.chain_id) if height else chain.chain_id
    tip = Tip(height, hash_, chain.headers[height - 1].time_s if height else 0, chain.peaks(height))
    key = chain.signer_of(account).public_key
    return Known(chain.chain_id, tip, chain.validators.root(), key, {one.update_root: one for one in updates})


def filler(count: int, seed: int = 0) -> tuple[bytes, ...]:
    """Hashes of nothing."""
    return tuple(bytes([seed, i]) * 16 for i in range(count))


@dataclass(frozen=True, slots=True)
class MadeUp:
    """An answer, and the device it is for."""

    chain: ChainMaker
    awake: Awake
    known: Known
    block: LightBlock


def made_up(validators: int, tip_height: int, update_height: int, height: int) -> MadeUp:
    """The wake-up of a device at the end of a long chain: 1,000 accounts, its update among 128. The hashes of
    the range are made up, but everything leads where it should, and the head is signed by a quorum."""
    chain = ChainMaker(make_genesis(validators=validators), devices=1)
    account = chain.states[1].accounts.prove(0)
    account = replace(account, index=5, count=ACCOUNTS, path=filler(10))
    update = UpdateHead(5, 1, 0, bytes(32), bytes([7]) * 32, 99, 40, 10)
    record = RecordProof(3, UPDATES, filler(7), bytes([8]) * 32)
    earlier = replace(chain.headers[0], height=update_height, body_root=_some(record.body_root_for(update)))
    peaks = Peaks(tip_height + 1, filler((tip_height + 1).bit_count(), seed=2))
    below, extension = _lead(earlier.hash(chain.chain_id), (peaks.size, update_height, height))
    block = chain.light_block(1)
    state = replace(block.state, accounts_root=_some(account.root()))
    app = replace(block.app, state_root=state.root())
    root = extend(peaks, height, extension).peaks.root()
    header = replace(block.header, height=height, slot=height, history_root=root, app_root=app.root())
    message = finalize(header, header.hash(chain.chain_id)).signing_bytes(chain.chain_id)
    signed = {i: chain.signers[i].sign(message) for i in range(chain.validators.quorum)}
    block = LightBlock(header, Finality(height, Quorum.of(signed)), app, state, block.learning)
    shown = Shown(update.update_root[:NAME_BYTES], EarlierHeader.of(earlier, below), record)
    bare = BareHead.of(block, tip_height, extension, account_shown=True)
    tip = Tip(tip_height, peaks.hashes[-1], 0, peaks)
    key, updates = account.account.public_key, {update.update_root: update}
    known = Known(chain.chain_id, tip, chain.validators.root(), key, updates)
    return MadeUp(chain, Awake(bare, BareAccount.of(account), (shown,)), known, block)


def _lead(leaf: bytes, heights: tuple[int, int, int]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Siblings of a leaf below its tree of the extension, and an extension that holds it."""
    size, index, total = heights
    places = list(extension_places(size, total))
    extension = list(filler(len(places), seed=1))
    at = next(i for i, (height, place) in enumerate(places) if index >> height == place)
    below, node = filler(places[at][0], seed=3), leaf
    for height, sibling in enumerate(below):
        node = parent_hash(sibling, node) if index >> height & 1 else parent_hash(node, sibling)
    extension[at] = node
    return below, tuple(extension)


def _some(root: bytes | None) -> bytes:
    assert root is not None
    return root
