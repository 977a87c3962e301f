"""What a validator promises with a message is on its disk before the message leaves (Persist before Send)."""

from __future__ import annotations

from broker.adapters.memory_store import MemoryStore
from broker.core.consensus.log_entries import Entry, encode_entry
from edge_client.protocol.body import decode_block
from edge_client.protocol.light import LightBlock
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import ACCEPTED, Receipt, decode_say, decode_validator_say
from edge_client.protocol.votes import Certificate, Proposal, Snapshot, Vote, VoteKind


class Promises:
    """Checks every message of one validator, over all its lives, against its disk at that moment."""

    def __init__(self, store: MemoryStore, chain_id: bytes, own_index: int = 0) -> None:
        self._own_index = own_index
        self._store = store
        self._chain_id = chain_id
        self._signed: dict[tuple[int, int, str], bytes] = {}
        self.receipts: dict[bytes, set[int]] = {}
        self.count = 0

    def check(self, message: Publish) -> None:
        """Raises `AssertionError` when the disk does not hold what the message promises."""
        self.count += 1
        levels = message.topic.split("/")[3:]
        if levels[0] == "down" and levels[-1] == "say":
            self._check_say(message.payload)
        elif levels[0] == "chain":
            header = LightBlock.decode(message.payload).header
            assert self._store.header(header.height) == header
        elif levels[-1] == "say":
            self._check_validator_say(message.payload)
        elif levels[-1] == "snap":
            snapshot = Snapshot.decode(message.payload)
            entries: tuple[Entry, ...] = (*snapshot.votes, *snapshot.certificates)
            for one in entries:
                self._check_logged(one)

    def _check_say(self, payload: bytes) -> None:
        said = decode_say(payload)
        if not isinstance(said, Receipt):
            return
        self.receipts.setdefault(said.update_root, set()).add(said.verdict)
        if said.verdict == ACCEPTED:
            waiting = {one.head.update_root for one in self._store.load().offers}
            assert self._store.has_update(said.update_root)
            assert said.update_root in waiting or self._store.inclusion(said.update_root)

    def _check_validator_say(self, payload: bytes) -> None:
        said = decode_validator_say(payload)
        if isinstance(said, Vote) and said.signer != self._own_index:
            return  # told to its signer, who has asked for it
        if isinstance(said, Proposal) and said.header.proposer == self._own_index:
            self._check_logged(said)
            self._sign_once((said.header.epoch, said.slot, "proposal"), said.header.encode())
            self._check_block(said.header.hash(self._chain_id))
        elif isinstance(said, Vote):
            self._check_logged(said)
            kind = VoteKind(said.kind)
            self._sign_once((said.epoch, said.slot, kind.name), said.subject.encode())
            if kind == VoteKind.NOTARIZE:
                self._check_block(said.hash)
            if kind != VoteKind.NOTARIZE:  # never Z and F in one slot
                self._sign_once((said.epoch, said.slot, "Z or F"), kind.name.encode())

    def _check_block(self, block_hash: bytes) -> None:
        data = self._store.block(block_hash)
        assert data is not None
        assert all(self._store.has_update(one.update_root) for one in decode_block(data)[1].updates)

    def _check_logged(self, entry: Entry) -> None:
        stored = self._store.load()
        final = stored.head.certificate if stored.head else None
        is_head = isinstance(entry, Certificate) and final is not None and entry.subject == final.subject
        assert is_head or encode_entry(entry) in stored.log

    def _sign_once(self, what: tuple[int, int, str], content: bytes) -> None:
        assert self._signed.setdefault(what, content) == content, what
