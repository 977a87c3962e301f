"""R2b: a notarised block that is proposed again, and more than one finality certificate of it."""

from __future__ import annotations

import pytest

from broker.core.consensus import events as on
from tests.simulation.consensus_parts import hash_of
from tests.simulation.consensus_solo import FOUR, F, N, Solo, Z, follower, leader


class TestR2bAgain:
    FIRST = FOUR.header(1)

    def again(self, solo: Solo, slot: int) -> None:
        solo.feed(on.ProposalReceived(0, FOUR.proposal(self.FIRST, slot)))

    def test_a_notarised_block_gets_another_vote_without_being_fetched_or_checked(self):
        solo = follower(3)
        solo.hear(FOUR.nc(self.FIRST), FOUR.zc(2))
        self.again(solo, 3)
        assert solo.cast() == [(F, 1), (N, 3)]
        assert solo.all(on.CheckBlock) == []

    def test_the_certificates_may_come_after_the_proposal(self):
        solo = follower(3)
        self.again(solo, 3)
        solo.hear(FOUR.zc(2))
        assert solo.cast() == []
        solo.hear(FOUR.nc(self.FIRST))
        assert (N, 3) in solo.cast()

    @pytest.mark.parametrize(
        "held", [(FOUR.zc(1), FOUR.zc(2)), (FOUR.nc(FIRST), FOUR.nc(FOUR.header(2, just=[FOUR.zc(1)])))]
    )
    def test_no_vote_for_a_block_that_was_given_up_or_left_behind(self, held):
        solo = follower(3)
        solo.offer(self.FIRST)
        solo.hear(*held)
        self.again(solo, 3)
        assert (N, 3) not in solo.cast()

    def test_one_vote_a_slot_as_ever(self):
        solo = follower(2)
        solo.hear(FOUR.nc(self.FIRST))
        self.again(solo, 2)
        solo.feed(on.ProposalReceived(0, FOUR.proposal(FOUR.header(2, just=[FOUR.zc(1)]))))
        assert [one for one in solo.cast() if one[0] == N] == [(N, 2)]
        assert [one.offender for one in solo.all(on.Evidence)] == [FOUR.leader(2)]

    def test_a_second_fc_of_the_head_decides_nothing_and_the_next_block_stands_on_it(self):
        solo = leader(3)
        solo.offer(self.FIRST)
        solo.hear(FOUR.fc(self.FIRST))
        solo.feed(on.RoundDue(True))
        solo.hear(FOUR.fc(self.FIRST, slot=2))
        assert len(solo.all(on.Decided)) == 1
        just = (FOUR.fc(self.FIRST, slot=2),)
        assert solo.all(on.BuildBlock) == [on.BuildBlock(3, hash_of(self.FIRST), 1, just)]

    def test_the_head_may_have_been_notarised_again_by_those_who_did_not_know_and_is_built_on(self):
        """Neither an FC nor a ZC of that slot may ever come about."""
        solo = leader(3)
        solo.offer(self.FIRST)
        solo.hear(FOUR.fc(self.FIRST))
        solo.hear(FOUR.nc(self.FIRST, slot=2))
        solo.wait(100_000)
        assert [one for one in solo.cast() if one[0] == Z] == []  # nothing is due: no slot is burnt
        solo.feed(on.RoundDue(True))
        just = (FOUR.nc(self.FIRST, slot=2),)
        assert solo.all(on.BuildBlock) == [on.BuildBlock(3, hash_of(self.FIRST), 1, just)]

    def test_what_is_final_and_proposed_again_makes_the_slot_useless(self):
        solo = follower(2)
        solo.offer(self.FIRST)
        solo.hear(FOUR.fc(self.FIRST))
        self.again(solo, 2)
        assert (Z, 2) in solo.cast()
        assert (N, 2) not in solo.cast()
