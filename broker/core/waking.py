"""Answers to `Wake`: the head for a device that slept, its account, its updates; and the signed word on what
the head is (PROTOCOL §Waking up)."""

from __future__ import annotations

from dataclasses import replace

from broker.core.archive import Archive
from broker.core.ledger import Tip
from edge_client.protocol.body import BodyProver, decode_block
from edge_client.protocol.header import Header
from edge_client.protocol.hops import answer_handoffs
from edge_client.protocol.light import LightBlock
from edge_client.protocol.mmr_extension import extension_from, siblings_below
from edge_client.protocol.wake import NAME_BYTES, Awake, BareAccount, BareHead, EarlierHeader, Shown, Wake

BODIES_KEPT_MAX = 4
EXTENSIONS_KEPT_MAX = 64


class Wakings:
    """Makes the answers from what is final and on disk. What many devices ask for in the same hour is made
    once: blocks are parsed once, and devices that fell asleep at the same height get the same extension."""

    def __init__(self, archive: Archive, chain_id: bytes) -> None:
        self._archive = archive
        self._chain_id = chain_id
        self._bodies: dict[int, BodyProver] = {}
        self._extensions: dict[tuple[int, int], tuple[bytes, ...]] = {}
        self._light: LightBlock | None = None

    def new_head(self, light: LightBlock) -> None:
        """The light block of the head that answers are made for."""
        self._light = light
        self._extensions.clear()

    def answer(self, head: Tip, account: int | None, question: Wake) -> Awake | None:
        """`account` is None for a device without one. None when this validator cannot show its head: its
        certificate is not here yet, or nodes of the range are missing."""
        shown_head = self._head(head, account is not None, question)
        if shown_head is None:
            return None
        proof = None if account is None else BareAccount.of(head.state.accounts.prove(account))
        roots = dict.fromkeys(question.update_roots)
        found = [self._shown(root, head.height, question) for root in roots]
        return Awake(shown_head, proof, tuple(one for one in found if one is not None))

    def _head(self, head: Tip, account_shown: bool, question: Wake) -> int | BareHead | None:
        if head.height <= question.height:
            return head.height
        light, extension = self._light, self._extension(question.height, head.height)
        if light is None or light.header.height != head.height or extension is None:
            return None
        bare = BareHead.of(light, question.height, extension, account_shown)
        epoch = light.header.epoch
        if question.epoch >= epoch:
            return bare
        return replace(bare, hops=answer_handoffs(question.epoch, epoch - 1, self._archive.handoff))

    def _extension(self, above: int, height: int) -> tuple[bytes, ...] | None:
        place = above, height
        if place not in self._extensions:
            extension = extension_from(above + 1, height, self._archive.mmr_node)
            if extension is None:
                return None
            if len(self._extensions) >= EXTENSIONS_KEPT_MAX:
                del self._extensions[next(iter(self._extensions))]
            self._extensions[place] = extension
        return self._extensions[place]

    def _shown(self, root: bytes, head_height: int, question: Wake) -> Shown | None:
        place = self._archive.inclusion(root)
        if place is None:
            return None
        height, index = place
        at, body = self._at(height, head_height, question), self._body(height)
        return None if at is None or body is None else Shown(root[:NAME_BYTES], at, body.prove(index))

    def _at(self, height: int, head_height: int, question: Wake) -> int | EarlierHeader | None:
        """The way from a block to what the device trusts or is given."""
        if height == head_height or question.headers_from <= height <= question.height:
            return height
        size, total = question.height + 1, max(head_height, question.height + 1)
        below = siblings_below(size, total, height, self._archive.mmr_node)
        header = self._archive.header(height)
        return None if header is None or below is None else EarlierHeader.of(header, below)

    def _body(self, height: int) -> BodyProver | None:
        """After a round all its devices ask about the same block: it is read, parsed and hashed once."""
        if height not in self._bodies:
            data = self._block(self._archive.header(height))
            if data is None:
                return None
            if len(self._bodies) >= BODIES_KEPT_MAX:
                del self._bodies[min(self._bodies)]
            self._bodies[height] = decode_block(data)[1].prover()
        return self._bodies[height]

    def _block(self, header: Header | None) -> bytes | None:
        return None if header is None else self._archive.block(header.hash(self._chain_id))
