"""Plans of hops: every step verifies, and nobody finds a shorter way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from edge_client.protocol import keys
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.handoff import HANDOFFS_MAX, Handoff, HandoffCase, TrustedSet, verify_handoff
from edge_client.protocol.hops import EPOCHS_PLANNED_MAX, answer_handoffs, plan
from edge_client.protocol.validators import quorum
from tests.light_epochs import EpochChain, newcomer, rotating


def leads(chain: EpochChain, steps: Sequence[Handoff]) -> TrustedSet | None:
    """Where a device of genesis gets to; None when it refuses a step."""
    trusted = TrustedSet(0, chain.genesis.validators)
    for step in steps:
        try:
            trusted = verify_handoff(HandoffCase(chain.chain_id, keys.verify, trusted, step))
        except ProtocolError:
            return None
    return trusted


@st.composite
def chains(draw: st.DrawFn) -> tuple[EpochChain, list[Handoff]]:
    """Up to five epochs of 4 or 5 validators: seats change hands, also back; any quorum signed each end."""
    validators = draw(st.sampled_from((4, 5)))
    chain = EpochChain(validators)
    pool = [*chain.signers, *(newcomer(number) for number in range(4))]
    handoffs = []
    for _ in range(draw(st.integers(1, 5))):
        idle = [one for one in pool if one not in chain.signers]
        seats = draw(st.lists(st.integers(0, validators - 1), min_size=1, max_size=3, unique=True))
        chain.end_epoch(dict(zip(seats, draw(st.permutations(idle)), strict=False)))
        count = draw(st.integers(quorum(validators), validators))
        signers = draw(st.permutations(range(validators)))[:count]
        handoffs.append(chain.handoff(chain.epoch - 1, sorted(signers)))
    return chain, handoffs


@given(chains())
def test_a_plan_verifies_and_is_the_shortest(made: tuple[EpochChain, list[Handoff]]) -> None:
    chain, handoffs = made
    planned = plan(TrustedSet(0, chain.genesis.validators), handoffs)
    reached = leads(chain, planned)
    assert reached is not None
    assert reached.epoch == chain.epoch
    shorter = (ways for size in range(len(planned)) for ways in combinations(handoffs, size))
    for way in shorter:
        found = leads(chain, way)
        assert found is None or found.epoch < chain.epoch


def test_when_the_worst_quorum_signed_every_epoch_is_walked() -> None:
    """Newcomers sign always, the of those that stay only one: nobody vouches far ahead."""
    chain = EpochChain(4)
    handoffs = []
    for epoch in range(8):
        pair = 2 * epoch % 4
        chain.end_epoch({pair: newcomer(2 * epoch), pair + 1: newcomer(2 * epoch + 1)})
        newest = 2 - pair  # the pair that was new in this epoch
        handoffs.append(chain.handoff(epoch, sorted((newest, newest + 1, pair))))
    assert plan(TrustedSet(0, chain.genesis.validators), handoffs) == tuple(handoffs)


def test_who_never_changes_is_hopped_over() -> None:
    chain = EpochChain(4)
    for epoch in range(12):
        chain.end_epoch({0: newcomer(epoch)})
    assert plan(TrustedSet(0, chain.genesis.validators), chain.handoffs()) == (chain.handoff(11),)


def test_nothing_to_plan() -> None:
    assert plan(TrustedSet(0, rotating().genesis.validators), []) == ()


def test_handoffs_with_a_hole_that_nobody_vouches_over() -> None:
    chain = rotating()
    start = TrustedSet(0, chain.genesis.validators)
    assert plan(start, [chain.handoff(0), chain.handoff(5)]) == ()
    assert plan(start, [chain.handoff(0), chain.handoff(2, (1, 2, 3))]) == (chain.handoff(2, (1, 2, 3)),)


def test_an_answer_ends_where_knowledge_does() -> None:
    chain = rotating()
    held = dict(enumerate(chain.handoffs()))
    whole = answer_handoffs(0, 1 << 31, held.get)
    assert leads(chain, whole) == TrustedSet(6, chain.handoff(5).sets.next)
    assert answer_handoffs(2, 2, held.get) == (held[2],)
    assert answer_handoffs(6, 9, held.get) == ()
    del held[3]
    assert answer_handoffs(0, 5, held.get)[-1].epoch == 2


def test_an_answer_is_bounded() -> None:
    asked: list[int] = []
    chain = rotating(4, 40, 1)

    def lookup(epoch: int) -> Handoff:
        asked.append(epoch)
        return chain.handoff(epoch % 40)

    assert len(answer_handoffs(0, 1 << 31, lookup)) <= HANDOFFS_MAX
    assert len(asked) == EPOCHS_PLANNED_MAX
