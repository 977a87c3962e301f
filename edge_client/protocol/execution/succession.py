"""May this block stand on that one? What a header must say besides what execution gives [BLK-3]."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.body import Body
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.state import ChainState


@dataclass(frozen=True, slots=True)
class Parent:
    """What a block stands on. `history_root` is over all headers up to the parent's own; slot and time
    (seconds since genesis) are 0 for genesis."""

    height: int
    slot: int
    time_s: int
    history_root: bytes
    state: ChainState


def check_succession(parent: Parent, header: Header, body: Body) -> None:
    """Raise `ProtocolError` with the first rule that the header breaks; the block is not executed."""
    seats = parent.state.rolled(parent.height + 1).seats
    for broken, why in (
        (header.height != parent.height + 1, "height does not follow its parent"),
        (header.slot <= parent.slot, "slot is not after its parent's"),
        (header.time_s < parent.time_s, "time before its parent's"),
        (header.history_root != parent.history_root, "history root"),
        (header.body_root != body.root(), "body root"),
        (header.epoch != seats.epoch, "epoch does not follow from its parent"),
        (header.validators != seats.validators.count, "size of the validator set"),
        (not body.records, "no records"),
    ):
        if broken:
            raise ProtocolError(Reason.INVALID_BLOCK, why)
