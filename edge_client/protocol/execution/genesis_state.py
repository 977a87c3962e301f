"""The state before the first block."""

from __future__ import annotations

from edge_client.protocol.accounts import Accounts
from edge_client.protocol.execution.selection import threshold
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.params import ParamsPair
from edge_client.protocol.seats import Seats
from edge_client.protocol.state import Base, ChainState, Learning, bases_root


def genesis_state(genesis: Genesis) -> ChainState:
    """Round 1 is open from the start, on the initial model, with no accounts yet and the
    validators of genesis in all seats."""
    chain_id, accounts = genesis.chain_id(), Accounts.of([])
    theta = threshold(genesis.params, accounts, 1, chain_id)
    bases = (Base(1, 0, theta, chain_id, genesis.model_root),)
    learning = Learning(1, 0, 0, 0, theta, chain_id, bases_root(bases))
    params, seats = ParamsPair(genesis.params, genesis.params), Seats.of_genesis(genesis.validators)
    return ChainState(accounts, params, learning, bases, seats)
