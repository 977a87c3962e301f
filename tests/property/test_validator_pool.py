"""Whatever waits in a pool, on whatever state, at whatever time: the block it chooses can be executed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.pool import Pool
from edge_client.protocol.body import Body
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.execution.execute import Slot, execute
from edge_client.protocol.params import RoundParams, Selection
from edge_client.protocol.records import ParamsChange, Register
from edge_client.protocol.update import UpdateHead
from tests.builders import ChainMaker, chain_of, make_signers, make_update, params_change, register
from tests.ledger_rig import tip_of

DEVICES, ROUNDS = 6, 3
DRAWN = st.integers(0, 10**6)


@cache
def made_chain(selection: int) -> tuple[ChainMaker, list[UpdateHead], list[Register | ParamsChange]]:
    """A chain over some rounds, every update any device could have made, and records of strangers and owners.

    The last rounds have other rules: fewer updates close them, more steps are asked.
    """
    rules: dict[str, Any] = {"k": 2, "k_max": 3, "selected": 3, "registrations_max": 2, "staleness_max": 1}
    chain = chain_of(0, selection=selection, **rules)
    for _ in range(DEVICES // 2):
        chain.join(2)
    stricter = replace(chain.genesis.params, k_max=4, local_epochs=2, sequence=1)
    changes = [
        params_change(chain.chain_id, replace(stricter, sequence=sequence, k_max=k_max))
        for sequence in (1, 2)
        for k_max in (3, 4)
    ]
    strangers = [register(one, chain.chain_id) for one in make_signers(DEVICES + 4, "device")[DEVICES:]]
    heads = []
    for number in range(ROUNDS):
        heads += [make_update(chain, account).head for account in range(DEVICES)]
        if number == 1:
            chain.add([params_change(chain.chain_id, stricter)])
        chain.close_round([number, number + 1], chain.time_s + 100)
    return chain, heads, [*strangers, *changes]


@settings(max_examples=75)
@given(
    selection=st.sampled_from(tuple(Selection)),
    height=DRAWN,
    time_s=st.integers(0, 200),
    order=st.lists(DRAWN, max_size=25),
)
def test_what_is_chosen_executes(selection: int, height: int, time_s: int, order: list[int]) -> None:
    chain, heads, records = made_chain(selection)
    height %= len(chain.states)
    state = chain.states[height]
    pool = Pool(chain.rules)
    for number in order:
        one = [*heads, *records][number % (len(heads) + len(records))]
        if isinstance(one, UpdateHead):
            pool.add_update(one)
            continue
        try:
            pool.add_record(one, tip_of(chain, 0 if number % 2 else height), 0)
        except ProtocolError:
            continue
    parent_s = chain.headers[height - 1].time_s if height else 0
    slot = Slot(height + 1, parent_s + time_s, chain.peaks(height).root())
    chosen = pool.choose(tip_of(chain, height), slot.time_s)
    outcome = execute(chain.rules, state, slot, Body.of(chosen, ()), chain)
    updates = [one for one in chosen if isinstance(one, UpdateHead)]
    assert (outcome.model is not None) == bool(updates)
    check_sizes(state.params.in_force, updates)


def check_sizes(params: RoundParams, updates: list[UpdateHead]) -> None:
    assert not updates or params.min_updates <= len(updates) <= params.k_max
