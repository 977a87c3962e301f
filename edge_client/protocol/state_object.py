"""A whole chain state as one object, named by its `state_root`: what a checkpoint is made of [OBJ-6].

Who fetched one holds no more than the word of a peer until `state.state_leaves().root()` is the root of a
verified header; `decode_state` only makes sure that this root covers everything in it.
"""

from __future__ import annotations

from edge_client.protocol.accounts import ACCOUNTS_MAX, Account, Accounts
from edge_client.protocol.chunks import OBJECT_BYTES_MAX
from edge_client.protocol.encoding import Reader, blob, uint
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.params import STALENESS_MAX, ParamsPair, RoundParams
from edge_client.protocol.seats import Seats
from edge_client.protocol.state import Base, ChainState, Learning, bases_root

STATE_VERSION = 1
BASES_MAX = STALENESS_MAX + 1
SEATS_BYTES_MAX = 1 << 16
_PAIR_BYTES = 2 * RoundParams.LAYOUT.size_bytes


def encode_state(state: ChainState) -> bytes:
    """Version (u8), both params, learning, counted bases (u8), counted accounts (u32), seats behind their
    length (u32)."""
    return b"".join(
        (
            uint(STATE_VERSION, 1),
            state.params.encode(),
            state.learning.encode(),
            uint(len(state.bases), 1),
            *(base.encode() for base in state.bases),
            uint(len(state.accounts), 4),
            *(account.encode() for account in state.accounts),
            blob(state.seats.encode(), 4),
        )
    )


def decode_state(data: bytes) -> ChainState:
    """Inverse of `encode_state`; raises `DecodeError`, also for bases that `learning` does not commit to."""
    if len(data) > OBJECT_BYTES_MAX:
        raise DecodeError(f"state of {len(data)} bytes", Reason.OVERSIZE)
    reader = Reader(data, "ChainState")
    if reader.uint(1) != STATE_VERSION:
        raise DecodeError("ChainState: unknown version")
    params = ParamsPair.decode(reader.take(_PAIR_BYTES))
    learning = reader.fixed(Learning)
    bases = tuple(reader.fixed(Base) for _ in range(reader.count(1, BASES_MAX)))
    accounts = [reader.fixed(Account) for _ in range(reader.count(4, ACCOUNTS_MAX))]
    seats = Seats.decode(reader.blob(4, SEATS_BYTES_MAX))
    reader.finish()
    if not bases or bases_root(bases) != learning.bases_root:
        raise DecodeError("ChainState: bases that its learning does not name")
    return ChainState(Accounts.of(accounts), params, learning, bases, seats)
