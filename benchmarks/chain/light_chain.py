"""Long chains for the light client: real headers and certificates over a state that never changes."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.chain.rates import Signed
from edge_client.core.light_client import LightClient
from edge_client.core.trusted import genesis_tip, genesis_trust
from edge_client.core.verify import LightRules
from edge_client.protocol import keys, mmr
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.header import HEADER_VERSION, Header
from edge_client.protocol.light import RUN_HEADERS_MAX, HeaderRun, LightBlock
from edge_client.protocol.votes import Finality, Quorum, Subject, finalize
from tests.builders import make_genesis, make_signers


@dataclass(frozen=True, slots=True)
class Certified:
    """A light block on the wire, and the signatures in it as the bare binding verifies them."""

    wire: bytes
    signed: tuple[Signed, ...]


class LightChain:
    """A chain of `validators` validators; the same bytes every time."""

    def __init__(self, validators: int) -> None:
        self.genesis = make_genesis(validators)
        self.chain_id = self.genesis.chain_id()
        self._signers = make_signers(validators)
        self._state = genesis_state(self.genesis)
        self._app = self._state.app_leaves()

    @property
    def end_ms(self) -> int:
        """A time at which every header lies in the past."""
        return (self.genesis.t0_s << 1) * 1000

    def client(self) -> LightClient:
        """A light client that knows only genesis."""
        rules = LightRules(self.chain_id, self.genesis.t0_s, keys.verify, trusting_ms=0)
        return LightClient(rules, genesis_trust(self.genesis))

    def headers(self, count: int) -> list[Header]:
        """Headers of heights 1 to `count`."""
        growing = mmr.Growing(genesis_tip(self.chain_id).peaks)
        headers = []
        for height in range(1, count + 1):
            header = Header(
                version=HEADER_VERSION,
                flags=0,
                proposer=height % len(self._signers),
                validators=len(self._signers),
                height=height,
                slot=height,
                time_s=height,
                epoch=0,
                history_root=growing.root(),
                body_root=digest(Tag.BODY, height.to_bytes(4, "big")),
                app_root=self._app.root(),
            )
            headers.append(header)
            growing.append(header.hash(self.chain_id))
        return headers

    def certified(self, header: Header) -> Certified:
        """The light block of a header, signed by a quorum."""
        message = self._subject(header).signing_bytes(self.chain_id)
        finality = self._finality(header)
        leaves = self._app, self._state.state_leaves(), self._state.learning
        block = LightBlock(header, finality, *leaves)
        pairs = zip(finality.quorum.signatures, self.genesis.validators.keys, strict=False)
        signed = tuple((signature + message, key) for signature, key in pairs)
        return Certified(block.encode(), signed)

    def runs(self, headers: list[Header]) -> list[bytes]:
        """All headers as the longest runs that one answer may hold, each under one certificate."""
        runs = []
        for at in range(0, len(headers), RUN_HEADERS_MAX):
            part = headers[at : at + RUN_HEADERS_MAX]
            linked = tuple(header.encode_linked() for header in part)
            runs.append(HeaderRun(part[0].height, linked, self._finality(part[-1])).encode())
        return runs

    def _subject(self, header: Header) -> Subject:
        return finalize(header, header.hash(self.chain_id))

    def _finality(self, header: Header) -> Finality:
        message = self._subject(header).signing_bytes(self.chain_id)
        count = self.genesis.validators.quorum
        return Finality(header.slot, Quorum.of({i: self._signers[i].sign(message) for i in range(count)}))
