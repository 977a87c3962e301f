"""A chain of headers over several epochs, as a device sees it: no bodies, no execution, no consensus.

The maker has every validator's key, so whatever a test wants signed is well signed. Heights are ten seconds
apart; the models and states that leaves name do not exist, but differ from height to height.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from edge_client.protocol.handoff import Handoff, SetProof
from edge_client.protocol.hashing import ZERO_HASH, Tag, digest
from edge_client.protocol.header import HEADER_VERSION, AppLeaves, Header, StateLeaves
from edge_client.protocol.keys import Signer
from edge_client.protocol.light import HeaderRun, LightBlock
from edge_client.protocol.mmr import Peaks, peaks_of, prove
from edge_client.protocol.state import Learning
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.votes import Finality, Quorum, finalize
from tests.builders import make_genesis, make_signers


@dataclass(frozen=True)
class Block:
    """A header, the leaves under it, and the keys of its set."""

    header: Header
    app: AppLeaves
    state: StateLeaves
    learning: Learning
    signers: tuple[Signer, ...]


def set_of(signers: Sequence[Signer]) -> ValidatorSet:
    """Their keys, in this order."""
    return ValidatorSet(tuple(one.public_key for one in signers))


@cache
def newcomer(number: int) -> Signer:
    """A validator that genesis does not know."""
    return Signer(f"newcomer {number}".encode().ljust(32, b"."))


class EpochChain:
    """Blocks 1 to `height`; `boundaries[e]` is the height of the last block of epoch e."""

    def __init__(self, validators: int = 4) -> None:
        self.genesis = make_genesis(validators=validators)
        self.chain_id = self.genesis.chain_id()
        self.blocks: list[Block] = []
        self.boundaries: list[int] = []
        self._signers = make_signers(validators)

    @property
    def height(self) -> int:
        """Blocks so far."""
        return len(self.blocks)

    @property
    def epoch(self) -> int:
        """Of the next block."""
        return len(self.boundaries)

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Of the next block."""
        return self._signers

    def add(self, count: int = 1) -> EpochChain:
        """Blocks that change no set."""
        for _ in range(count):
            self._add(self._signers)
        return self

    def end_epoch(self, changes: Mapping[int, Signer]) -> EpochChain:
        """The last block of an epoch: these seats change hands after it."""
        following = tuple(changes.get(seat, held) for seat, held in enumerate(self._signers))
        self._add(following)
        self.boundaries.append(self.height)
        self._signers = following
        return self

    def _add(self, following: Sequence[Signer]) -> None:
        height = self.height + 1
        learning = Learning(height, height, 10 * height, 0, 1 << 32, self.chain_id, self._name(height, 0))
        state = StateLeaves(self._name(height, 1), self._name(height, 2), learning.root(), ZERO_HASH)
        app = AppLeaves(
            self._name(height, 3), state.root(), set_of(self._signers).root(), set_of(following).root()
        )
        header = Header(
            version=HEADER_VERSION,
            flags=0,
            proposer=height % len(self._signers),
            validators=len(self._signers),
            height=height,
            slot=height,
            time_s=10 * height,
            epoch=self.epoch,
            history_root=self.peaks().root(),
            body_root=self._name(height, 4),
            app_root=app.root(),
        )
        self.blocks.append(Block(header, app, state, learning, self._signers))

    def _name(self, height: int, which: int) -> bytes:
        return digest(Tag.BLOB, bytes([which]), height.to_bytes(4, "big"))

    # --- what validators hand out -------------------------------------------------------------------------

    def header(self, height: int) -> Header:
        """Of that height."""
        return self.blocks[height - 1].header

    def hash(self, height: int) -> bytes:
        """Header hash; the chain id at height 0."""
        return self.header(height).hash(self.chain_id) if height else self.chain_id

    def leaves(self, height: int | None = None) -> list[bytes]:
        """Of the range up to and with the header of `height` (default: the last)."""
        return [self.hash(at) for at in range((self.height if height is None else height) + 1)]

    def peaks(self, height: int | None = None) -> Peaks:
        """After the block of `height`."""
        return peaks_of(self.leaves(height))

    def siblings(self, leaf: int, head: int) -> tuple[bytes, ...]:
        """Of an earlier header in the range under the header of `head`."""
        return prove(self.leaves(head - 1), leaf).siblings

    def finality(
        self, height: int, seats: Iterable[int] | None = None, header: Header | None = None, slot: int = 0
    ) -> Finality:
        """Signatures of these seats (default: the first quorum) on the block, or on another `header`."""
        block = self.blocks[height - 1]
        shown = header or block.header
        subject = finalize(shown, shown.hash(self.chain_id), slot or shown.slot)
        message = subject.signing_bytes(self.chain_id)
        chosen = range(set_of(block.signers).quorum) if seats is None else seats
        return Finality(subject.slot, Quorum.of({one: block.signers[one].sign(message) for one in chosen}))

    def light_block(self, height: int | None = None, seats: Iterable[int] | None = None) -> LightBlock:
        """Of that height (default: the last)."""
        height = height or self.height
        block = self.blocks[height - 1]
        return LightBlock(block.header, self.finality(height, seats), block.app, block.state, block.learning)

    def sets(self, height: int) -> SetProof:
        """The two sets that the header of this height commits to."""
        signing = set_of(self.blocks[height - 1].signers)
        following = set_of(self.blocks[height].signers if height < self.height else self._signers)
        return SetProof.of(self.blocks[height - 1].app, signing, following)

    def handoff(self, epoch: int, seats: Iterable[int] | None = None) -> Handoff:
        """The end of an epoch, signed by these seats."""
        height = self.boundaries[epoch]
        return Handoff(self.header(height), self.finality(height, seats), self.sets(height))

    def handoffs(self, first: int = 0, last: int | None = None) -> list[Handoff]:
        """Of consecutive epochs."""
        return [self.handoff(one) for one in range(first, self.epoch if last is None else last + 1)]

    def header_run(self, first: int, last: int) -> HeaderRun:
        """Headers `first` to `last` under the finality of the last."""
        linked = tuple(self.header(height).encode_linked() for height in range(first, last + 1))
        return HeaderRun(first, linked, self.finality(last))

    # --- what forgers hand out ----------------------------------------------------------------------------

    def forged_handoff(self, epoch: int, sets: SetProof | None = None, **changes: object) -> Handoff:
        """The end of an epoch with another header or other sets, committed to and signed by its own set."""
        height = self.boundaries[epoch]
        shown = sets or self.sets(height)
        header = replace(self.header(height), **{"app_root": shown.app_root(), **changes})  # type: ignore[arg-type]
        return Handoff(header, self.finality(height, header=header), shown)


@cache
def rotating(validators: int = 4, epochs: int = 6, blocks: int = 3) -> EpochChain:
    """One seat a epoch changes hands, in order; each epoch has so many blocks, the last one is open."""
    made = EpochChain(validators)
    for epoch in range(epochs):
        made.add(blocks - 1).end_epoch({epoch % validators: newcomer(epoch)})
    return made.add(blocks)
