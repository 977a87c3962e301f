"""Makes what light-client vectors show: true blocks, and well signed blocks with one thing wrong.

A forger here has the keys of a whole quorum: what a predicate must refuse is well signed, so that nothing but
that predicate can refuse it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from edge_client.protocol.header import Header
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.light import HeaderRun, LightBlock
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.state import Learning
from edge_client.protocol.votes import Finality, Quorum, Subject, finalize
from tests.builders import T0_S, ChainMaker, make_genesis

HEIGHTS = 14
NOW_MS = (T0_S + 36_000) * 1000
TRUSTED = 3
"""Where most vectors begin; the next block is of height 4."""
Json = dict[str, Any]


@cache
def chain(validators: int = 4, t0_s: int = T0_S) -> ChainMaker:
    """Three devices, fourteen blocks ten seconds apart; heights 3, 5, ... 13 close a round."""
    made = ChainMaker(make_genesis(validators=validators, t0_s=t0_s), devices=3)
    while made.height < HEIGHTS - 1:
        made.add([])
        made.close_round()
    made.add([])
    return made


def subject_of(made: ChainMaker, header: Header) -> Subject:
    """What validators sign to finalise a header of this chain."""
    return finalize(header, header.hash(made.chain_id))


def signed(made: ChainMaker, subject: Subject, signers: Iterable[int], chain_id: bytes = b"") -> Quorum:
    """Genuine signatures of these validators."""
    message = subject.signing_bytes(chain_id or made.chain_id)
    return Quorum.of({one: made.signers[one].sign(message) for one in signers})


def finality(made: ChainMaker, header: Header, slot: int = 0) -> Finality:
    """What a quorum that finalises `header` in `slot` (default: its own) leaves behind."""
    subject = finalize(header, header.hash(made.chain_id), slot or header.slot)
    return Finality(subject.slot, signed(made, subject, range(made.validators.quorum)))


def under(block: LightBlock, quorum: Quorum) -> LightBlock:
    """The block with these signatures, said to be of its own slot."""
    return replace(block, finality=Finality(block.header.slot, quorum))


def final(made: ChainMaker, block: LightBlock) -> LightBlock:
    """The block with a quorum on whatever header it has now."""
    return replace(block, finality=finality(made, block.header))


def with_header(made: ChainMaker, at: int, **changes: Any) -> LightBlock:
    """The block of height `at` with another header, final."""
    block = made.light_block(at)
    return final(made, replace(block, header=replace(block.header, **changes)))


def with_app(made: ChainMaker, at: int, **changes: Any) -> LightBlock:
    """The block of height `at` with other app leaves, committed to and final."""
    block = made.light_block(at)
    app = replace(block.app, **changes)
    header = replace(block.header, app_root=app.root())
    return final(made, replace(block, header=header, app=app))


def learning_of(made: ChainMaker, at: int, **changes: Any) -> Learning:
    """What `learning` of that block would be with these changes."""
    return replace(made.light_block(at).learning, **changes)


def run_of(made: ChainMaker, first: int, changed: Sequence[Header]) -> HeaderRun:
    """A run of these headers from height `first` on, linked anew and final, whatever they say."""
    peaks, linked = made.peaks(first - 1), []
    for header in changed:
        header = replace(header, history_root=peaks.root())  # noqa: PLW2901 - that is what linking does
        linked.append(header)
        peaks = peaks.append(header.hash(made.chain_id))
    shown = finality(made, linked[-1])
    return HeaderRun(first, tuple(one.encode_linked() for one in linked), shown)


@dataclass(frozen=True)
class Start:
    """Where a vector begins: what is trusted, at which height (0: genesis)."""

    made: ChainMaker
    height: int = TRUSTED
    checkpoint: Checkpoint | None = None

    def written(self) -> Json:
        """As it stands in the file."""
        trusted: Json = {"block": None, "peaks": None, "validators": None}
        if self.height:
            peaks: Peaks = self.made.peaks(self.height)
            block = self.made.light_block(self.height)
            keys = self.made.validators.encode().hex()
            trusted = {"block": block.encode().hex(), "peaks": peaks.encode().hex(), "validators": keys}
        told = self.checkpoint
        return {
            "genesis": self.made.genesis.encode().hex(),
            "trusted": trusted,
            "checkpoint": told and {"height": told.height, "hash": told.header_hash.hex()},
        }


def block(shown: LightBlock | bytes, verdict: str, now_ms: int = NOW_MS) -> Json:
    """A step that shows a light block."""
    data = shown if isinstance(shown, bytes) else shown.encode()
    return {"block": data.hex(), "now_ms": now_ms, "verdict": verdict}


def run(shown: HeaderRun | bytes, verdict: str, now_ms: int = NOW_MS) -> Json:
    """A step that shows a run of headers."""
    data = shown if isinstance(shown, bytes) else shown.encode()
    return {"run": data.hex(), "now_ms": now_ms, "verdict": verdict}


def case(start: Start, why: str, *steps: Json) -> Json:
    """A vector without its name."""
    return {"meta": {"why": why}, **start.written(), "steps": list(steps)}
