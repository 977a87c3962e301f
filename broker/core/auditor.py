"""Executes final blocks again from what a validator has stored, and writes down the one that is wrong [FRD].

Starts from a state that a final header commits to, so nothing is believed but genesis and signatures. Reads
only what `Archive` gives: it works on anybody's folder, and beside the validator that writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from broker.core.archive import Archive
from edge_client.protocol.body import Body, decode_block
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.execution.execute import Executed, Slot, execute
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.execution.succession import Parent, check_succession
from edge_client.protocol.fraud import Above, Before, Commitment, FraudProof, Objects
from edge_client.protocol.header import AppLeaves, Header
from edge_client.protocol.hops import answer_handoffs
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.mmr_nodes import peaks_from, siblings_from
from edge_client.protocol.model import model_root
from edge_client.protocol.proofs import AncestorProof
from edge_client.protocol.state import ChainState
from edge_client.protocol.state_object import encode_state
from edge_client.protocol.update import update_root_of
from edge_client.protocol.votes import Certificate, Finality

KeptLeaves = Callable[[int], AppLeaves | None]
"""Height -> the leaves under that header's `app_root`; None when they are not kept."""


@dataclass(frozen=True, slots=True)
class Start:
    """A state to execute from: that after the block of `height`, 0 for genesis."""

    height: int
    state: ChainState


@dataclass(frozen=True, slots=True)
class Audited:
    """Blocks `first` to `last` are what execution gives on the state after `start`. The certificate of
    `final_height` with so many signatures holds (0: none is stored), so all up to there are final."""

    start: int
    first: int
    last: int
    final_height: int
    signatures: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The audit ends before the block of `height`: what it needs is not stored, or not what its name says."""

    height: int
    detail: str


@dataclass(frozen=True, slots=True)
class Fraud:
    """The block of a height is not what execution gives; the proof, for others."""

    proof: FraudProof


class StoppedError(Exception):
    """Something that the audit needs is not there."""


class Auditor:
    """One pass over stored blocks, upwards."""

    def __init__(self, rules: Rules, archive: Archive, leaves: KeptLeaves) -> None:
        self._rules = rules
        self._archive = archive
        self._leaves = leaves
        self._model: tuple[bytes, bytes] = (b"", b"")

    def audit(self, start: Start, first: int, last: int) -> Audited | Unreadable | Fraud:
        """Execute the blocks from above `start` to `last`, and say something of those from `first` on."""
        state, final, height = start.state, (0, 0), start.height + 1
        try:
            self._check_start(start)
            for height in range(start.height + 1, last + 1):
                header, body = self._block(height)
                executed = self._execute(state, header, body)
                if executed is None:
                    return Fraud(self._write_down(state, header, body))
                final = self._finality(state, header) or final
                if executed.model is not None:
                    self._model = (executed.state.model_root, executed.model)
                state = executed.state
        except StoppedError as error:
            return Unreadable(height, str(error))
        return Audited(start.height, first, last, *final)

    def _check_start(self, start: Start) -> None:
        """The header commits to the state that was kept."""
        if start.height:
            header = self._header(start.height)
            if start.state.app_leaves().root() != header.app_root:
                raise StoppedError(f"the state kept at height {start.height} is not its header's")

    # --- one block ----------------------------------------------------------------------------------------

    def _execute(self, state: ChainState, header: Header, body: Body) -> Executed | None:
        """What the block gives; None when it is not what its header says."""
        slot = Slot(header.height, header.time_s, header.history_root)
        try:
            check_succession(self._parent(state, header.height), header, body)
            executed = execute(self._rules, state, slot, body, _Checked(self, state, body))
        except ProtocolError:
            return None
        return executed if executed.state.app_leaves().root() == header.app_root else None

    def _parent(self, state: ChainState, height: int) -> Parent:
        root = self._peaks(height).root()
        if height == 1:
            return Parent(0, 0, 0, root, state)
        header = self._header(height - 1)
        return Parent(header.height, header.slot, header.time_s, root, state)

    def _finality(self, state: ChainState, header: Header) -> tuple[int, int] | None:
        """Height and number of signatures, when the block has its own certificate."""
        certificate = self._certificate(header.height)
        if certificate is None or certificate.subject.height != header.height:
            return None
        finality = Finality.of(certificate)
        validators = state.rolled(header.height).seats.validators
        try:
            finality.verify(header, self._rules.chain_id, validators, self._rules.verify)
        except ProtocolError as error:
            raise StoppedError(f"the certificate stored with it does not hold ({error})") from error
        return header.height, len(finality.quorum.signatures)

    # --- what is stored, checked against its name ---------------------------------------------------------

    def _header(self, height: int) -> Header:
        header = self._archive.header(height)
        if header is None:
            raise StoppedError(f"no header of height {height} is stored")
        return header

    def _block(self, height: int) -> tuple[Header, Body]:
        header = self._header(height)
        data = self._archive.block(header.hash(self._rules.chain_id))
        if data is None:
            raise StoppedError("its body is not stored")
        try:
            stored, body = decode_block(data)
        except ProtocolError as error:
            raise StoppedError(f"its stored body is damaged ({error.detail})") from error
        if stored != header:
            raise StoppedError("its stored header is another one")
        return header, body

    def _peaks(self, size: int) -> Peaks:
        peaks = peaks_from(size, self._archive.mmr_node)
        if peaks is None:
            raise StoppedError("the range over all headers is damaged")
        return peaks

    def _certificate(self, height: int) -> Certificate | None:
        return self._archive.certificate_from(height)

    def model_of(self, state: ChainState) -> bytes:
        """The model that the open round starts from."""
        root = state.model_root
        known, model = self._model
        data = model if known == root else self._archive.model(root)
        if data is None or model_root(data) != root:
            raise StoppedError(f"model {root.hex()} is {'not stored' if data is None else 'damaged'}")
        return data

    def updates_of(self, state: ChainState, body: Body) -> tuple[bytes, ...]:
        """All update bodies of a block, in the order of their heads."""
        found = []
        for head in body.updates:
            data, account = self._archive.update(head.update_root), state.accounts.get(head.account)
            if data is None:
                raise StoppedError(f"the body of update {head.update_root.hex()} is not stored")
            if account is None or (update_root_of(account.public_key, head.round, data) != head.update_root):
                raise StoppedError(f"the body of update {head.update_root.hex()} is not the one named")
            found.append(data)
        return tuple(found)

    # --- writing down -------------------------------------------------------------------------------------

    def _write_down(self, state: ChainState, header: Header, body: Body) -> FraudProof:
        height, before = header.height, None
        if height > 1:
            before = Before(self._header(height - 1), state.app_leaves(), encode_state(state))
        return FraudProof(
            genesis=self._rules.genesis,
            header=header,
            place=self._place(header),
            before=before,
            claimed=self._claimed(header),
            objects=self._objects(state, body),
        )

    def _objects(self, state: ChainState, body: Body) -> Objects:
        """Records that are not allowed need neither model nor bodies; so what is not here may be missing."""
        objects = Objects(body.encode())
        try:
            objects = replace(objects, model=self.model_of(state), updates=self.updates_of(state, body))
        except StoppedError:
            return objects
        return objects

    def _claimed(self, header: Header) -> AppLeaves | None:
        leaves = self._leaves(header.height)
        return leaves if leaves is not None and leaves.root() == header.app_root else None

    def _place(self, header: Header) -> Commitment:
        certificate = self._certificate(header.height)
        if certificate is None:
            raise StoppedError("it is wrong, but nothing stored shows it final")
        final = self._header(certificate.subject.height)
        peaks, above = self._peaks(header.height - 1), None
        if final.height > header.height:
            under = self._peaks(final.height)
            siblings = siblings_from(final.height, header.height, self._archive.mmr_node)
            if siblings is None:
                raise StoppedError("the range over all headers is damaged")
            above = Above(final, under, AncestorProof(header, siblings))
        hops = answer_handoffs(0, final.epoch - 1, self._archive.handoff)
        return Commitment(hops, Finality.of(certificate), above, peaks)


class _Checked:
    """`Bodies` of one block: objects of the archive, each checked before it is used."""

    def __init__(self, auditor: Auditor, state: ChainState, body: Body) -> None:
        self._auditor = auditor
        self._state = state
        self._body = body
        self._updates: dict[bytes, bytes] = {}

    def update(self, root: bytes) -> bytes | None:
        """`Bodies.update`; all are looked up at the first one."""
        if not self._updates:
            heads = self._body.updates
            bodies = self._auditor.updates_of(self._state, self._body)
            self._updates = {head.update_root: data for head, data in zip(heads, bodies, strict=True)}
        return self._updates.get(root)

    def model(self, root: bytes) -> bytes | None:
        """`Bodies.model`."""
        return self._auditor.model_of(self._state) if root == self._state.model_root else None


def genesis_start(rules: Rules) -> Start:
    """The state before the first block."""
    return Start(0, genesis_state(rules.genesis))
