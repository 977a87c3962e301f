"""One machine, one epoch: what ends it, and what of another epoch means nothing in it."""

from __future__ import annotations

from broker.core.consensus import events as on
from edge_client.protocol.header import Header
from edge_client.protocol.machine import Woke
from edge_client.protocol.votes import nullify
from tests.simulation.consensus_parts import hash_of
from tests.simulation.consensus_solo import FOUR, N, Solo, follower


class TestEpoch:
    """What ends it, and where the next begins."""

    def sealed(self, solo: Solo) -> Header:
        last = FOUR.header(1)
        solo.feed(on.ProposalReceived(0, FOUR.proposal(last)), on.BlockChecked(last, (), seals=True))
        return last

    def test_with_its_last_block_the_machine_ends_and_leaves_the_fc_behind(self):
        solo = follower(1)
        last = self.sealed(solo)
        solo.hear(FOUR.fc(last))
        assert solo.machine.ended
        assert solo.snapshot().certificates == (FOUR.fc(last),)
        assert solo.feed(on.RoundDue(True), Woke()) == []
        assert solo.machine.deadline() is None

    def test_no_vote_for_a_block_on_it(self):
        solo = follower(2)
        last = self.sealed(solo)
        solo.hear(FOUR.nc(last))
        for just in ([FOUR.nc(last)], [FOUR.fc(last)]):
            solo.offer(FOUR.header(2, last, just), just)
            assert (N, 2) not in solo.cast()
        assert solo.machine.head.hash == hash_of(last)
        assert solo.machine.ended

    def test_it_may_be_proposed_again(self):
        solo = follower(2)
        last = self.sealed(solo)
        solo.hear(FOUR.nc(last))
        solo.feed(on.ProposalReceived(0, FOUR.proposal(last, 2)))
        assert (N, 2) in solo.cast()
        solo.hear(FOUR.fc(last, slot=2))
        assert solo.machine.ended

    def test_a_host_that_caught_up_to_it_ends_the_machine(self):
        solo = follower(1)
        last = FOUR.header(1)
        solo.feed(on.Finalised(last, FOUR.fc(last), seals=True))
        assert solo.machine.ended

    def test_votes_in_the_log_of_an_earlier_epoch_do_not_bind(self):
        mine = FOUR.vote(nullify(1, 1), FOUR.leader(2))
        solo = Solo(FOUR, FOUR.leader(2), mine)
        solo.offer(FOUR.header(1))
        assert solo.cast() == [(N, 1)]
        solo.wait(1_000)
        assert solo.snapshot().votes == (FOUR.n(FOUR.header(1), solo.me),)
