"""Answers to questions of devices and of other validators, all made from what is final and on disk."""

from __future__ import annotations

from dataclasses import replace

from broker.core.archive import Archive
from edge_client.protocol.chunks import WINDOW_CHUNKS
from edge_client.protocol.light import RUN_HEADERS_MAX, HeaderRun
from edge_client.protocol.messages import GetChunks, GetHeaders
from edge_client.protocol.mmr_extension import extension_from, siblings_below
from edge_client.protocol.votes import Finality
from edge_client.protocol.vouched import LastEnd, Vouched

ANSWER_CHUNKS_MAX = 16


def header_run(archive: Archive, question: GetHeaders) -> HeaderRun | None:
    """Headers from `first` on, up to the certified height at or above `last` that one message can hold; up to
    the highest one when the chain is not that high."""
    if not 1 <= question.first <= question.last:
        return None
    last = min(question.last, question.first + RUN_HEADERS_MAX // 2 - 1)
    certificate = archive.certificate_from(last)
    if certificate is None:
        certificate = archive.certificate_to(last)
    if certificate is None or not 0 <= certificate.subject.height - question.first < RUN_HEADERS_MAX:
        return None
    headers = [archive.header(h) for h in range(question.first, certificate.subject.height + 1)]
    linked = tuple(header.encode_linked() for header in headers if header is not None)
    if len(linked) != len(headers):
        return None
    return HeaderRun(question.first, linked, Finality.of(certificate))


def within_epoch(archive: Archive, question: GetHeaders) -> GetHeaders:
    """Nothing beyond the end of the epoch of its first header: who executes learns the next set from that."""
    first = archive.header(question.first)
    end = None if first is None else archive.handoff(first.epoch)
    return question if end is None else replace(question, last=min(question.last, end.header.height))


def vouched(archive: Archive, above: int, height: int) -> Vouched | None:
    """A header by its height for a device that has linked those up to `above`; None when it is not here."""
    header, extension = archive.header(height), extension_from(above + 1, height, archive.mmr_node)
    if header is None or extension is None:
        return None
    if not header.epoch:
        return Vouched(header, extension, None)
    handoff = archive.handoff(header.epoch - 1)
    if handoff is None:
        return None
    below = siblings_below(above + 1, height, handoff.header.height, archive.mmr_node)
    return None if below is None else Vouched(header, extension, LastEnd(handoff, below))


def pieces(archive: Archive, question: GetChunks) -> list[tuple[int, bytes]]:
    """(index, payload) of the wanted chunks of an object, at most `ANSWER_CHUNKS_MAX`; none without it, or
    when it has another number of chunks than the question says."""
    wanted = question.wanted
    indices = wanted.indices() if wanted.count else list(range(WINDOW_CHUNKS))
    found = []
    for index in indices[:ANSWER_CHUNKS_MAX]:
        piece = archive.piece(question.kind, question.root, index)
        if piece is None or wanted.count not in (0, piece.count):
            break
        found.append((index, piece.encode()))
    return found
