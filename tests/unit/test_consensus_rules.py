"""Rules R1-R6, one table each: what a validator does, and above all what it does not do."""

from __future__ import annotations

import pytest

from broker.core.consensus import events as on
from broker.core.consensus.justification import SKIPPED_SLOTS_MAX
from edge_client.protocol.machine import Woke
from tests.simulation.consensus_parts import Committee, hash_of
from tests.simulation.consensus_solo import FOUR, TIMEOUT_MS, F, N, Solo, Z, follower, leader, others


class TestR1Propose:
    def test_a_due_leader_asks_for_a_block_on_genesis_without_certificates(self):
        solo = leader(1)
        assert solo.feed(on.RoundDue(True)) == [on.BuildBlock(1, FOUR.setup(0).chain_id, 0, ())]

    def test_it_signs_the_built_block_persists_it_first_and_votes_for_it(self):
        solo = leader(1)
        solo.feed(on.RoundDue(True))
        header = FOUR.header(1)
        effects = solo.feed(on.BlockBuilt(header, ()))
        proposal, vote = FOUR.proposal(header), FOUR.n(header, FOUR.leader(1))
        assert effects[:2] == [on.Persist(proposal), on.Broadcast(proposal)]
        assert effects[2:4] == [on.Persist(vote), on.Broadcast(vote)]

    def test_nobody_asks_when_nothing_is_due_or_another_leads(self):
        assert leader(1).all(on.BuildBlock) == []
        solo = follower(1)
        solo.feed(on.RoundDue(True))
        assert solo.all(on.BuildBlock) == []

    def test_one_block_per_slot(self):
        solo = leader(1)
        solo.feed(on.RoundDue(True), on.RoundDue(True))
        solo.feed(on.BlockBuilt(FOUR.header(1), ()), on.RoundDue(True))
        solo.feed(on.BlockBuilt(FOUR.header(1, text=b"other"), ()))
        assert len(solo.all(on.BuildBlock)) == 1
        assert len(solo.all(on.Persist)) == 2  # one proposal, one N

    def test_the_parent_is_the_highest_notarised_block_with_every_later_slot_nullified(self):
        first = FOUR.header(1)
        solo = leader(4)
        solo.offer(first)
        solo.hear(FOUR.fc(first), FOUR.zc(3))
        solo.feed(on.RoundDue(True))
        assert solo.all(on.BuildBlock) == []  # slot 2 is a gap
        solo.hear(FOUR.zc(2))
        just = (FOUR.fc(first), FOUR.zc(2), FOUR.zc(3))
        assert solo.all(on.BuildBlock) == [on.BuildBlock(4, hash_of(first), 1, just)]

    def test_a_block_that_does_not_become_final_is_proposed_again_after_a_while(self):
        first = FOUR.header(1)
        solo = leader(2)
        solo.offer(first)
        solo.hear(FOUR.nc(first))
        solo.feed(on.RoundDue(True))
        again = FOUR.proposal(first, 2)
        solo.wait(TIMEOUT_MS * 2 // 4 - 1)
        assert on.Broadcast(again) not in solo.effects
        effects = solo.wait(1)
        assert effects[:2] == [on.Persist(again), on.Broadcast(again)]
        vote = FOUR.n(first, solo.me, 2)
        assert effects[2:4] == [on.Persist(vote), on.Broadcast(vote)]
        assert solo.all(on.BuildBlock) == []

    def test_again_only_when_every_slot_since_is_nullified(self):
        first = FOUR.header(1)
        solo = leader(4)
        solo.offer(first)
        solo.hear(FOUR.nc(first), FOUR.zc(3))
        solo.wait(TIMEOUT_MS * 8 // 4)
        assert FOUR.proposal(first, 4) not in [one.message for one in solo.all(on.Broadcast)]
        solo.hear(FOUR.zc(2))
        assert FOUR.proposal(first, 4) in [one.message for one in solo.all(on.Broadcast)]

    def test_an_unknown_parent_is_fetched_before_anything_is_built_on_it(self):
        first = FOUR.header(1)
        solo = leader(2)
        solo.hear(FOUR.fc(first))
        solo.feed(on.RoundDue(True))
        assert solo.all(on.FetchBlock) == [on.FetchBlock(hash_of(first), 1, 1)]
        assert solo.all(on.BuildBlock) == []
        solo.feed(on.BlockChecked(first, ()), on.RoundDue(True))
        assert [one.parent_hash for one in solo.all(on.BuildBlock)] == [hash_of(first)]

    def test_a_late_answer_for_a_slot_that_was_left_is_dropped(self):
        solo = leader(1)
        solo.feed(on.RoundDue(True))
        solo.hear(FOUR.zc(1))
        assert solo.feed(on.BlockBuilt(FOUR.header(1), ())) == []

    def test_a_leader_that_gave_up_does_not_propose(self):
        solo = leader(1, FOUR.z(1, FOUR.leader(1)))
        solo.feed(on.RoundDue(True))
        assert solo.all(on.BuildBlock) == []


class TestR2Notarize:
    def test_a_checked_proposal_of_the_leader_gets_one_vote_persisted_first(self):
        solo = follower(1)
        header = FOUR.header(1)
        vote = FOUR.n(header, solo.me)
        assert solo.offer(header) == [
            on.CheckBlock(FOUR.proposal(header)), on.Persist(vote), on.Broadcast(vote),
        ]  # fmt: skip
        solo.offer(header)
        assert solo.cast() == [(N, 1)]

    def test_no_vote_before_the_host_has_checked(self):
        solo = follower(1)
        solo.feed(on.ProposalReceived(0, FOUR.proposal(FOUR.header(1))))
        assert solo.cast() == []

    def test_no_vote_for_a_second_proposal_of_the_slot(self):
        solo = follower(1)
        solo.offer(FOUR.header(1))
        solo.offer(FOUR.header(1, text=b"other"))
        assert solo.cast() == [(N, 1)]

    def test_allowed_after_the_own_nullify_vote(self):
        solo = follower(1)
        solo.feed(on.RoundDue(True))
        solo.wait(TIMEOUT_MS)
        solo.offer(FOUR.header(1))
        assert solo.cast() == [(Z, 1), (N, 1)]

    def test_only_in_the_current_slot(self):
        solo = follower(1)
        early, late = FOUR.header(3, just=[FOUR.zc(1), FOUR.zc(2)]), FOUR.header(1)
        solo.feed(on.ProposalReceived(0, FOUR.proposal(early)))
        solo.hear(FOUR.zc(1))
        solo.offer(late)
        assert solo.cast() == []

    def test_a_block_ahead_brings_its_own_way_in_its_justification(self):
        solo = follower(3)
        just = [FOUR.zc(1), FOUR.zc(2)]
        solo.offer(FOUR.header(3, just=just), just)
        assert solo.machine.slot == 3
        assert solo.cast() == [(N, 3)]

    @pytest.mark.parametrize(
        "just",
        [
            [FOUR.zc(1)],
            [FOUR.zc(2)],
            [FOUR.zc(2), FOUR.zc(1)],
            [FOUR.zc(1), FOUR.zc(2), FOUR.zc(3)],
            [FOUR.zc(1), FOUR.zc(2, [0, 1])],
            [FOUR.nc(FOUR.header(1)), FOUR.zc(2)],
        ],
        ids=["last missing", "first missing", "order", "one too many", "two signatures", "height"],
    )
    def test_a_block_whose_justification_breaks_j1_to_j4_gets_z_instead(self, just):
        solo = follower(3, FOUR.zc(1), FOUR.zc(2))
        solo.offer(FOUR.header(3, just=just), just)
        assert solo.cast() == [(Z, 3)]


class TestR3Nullify:
    def test_when_the_time_is_up(self):
        solo = follower(1)
        solo.feed(on.RoundDue(True))
        solo.wait(TIMEOUT_MS - 1)
        assert solo.cast() == []
        solo.wait(1)
        assert solo.cast() == [(Z, 1)]
        solo.wait(100_000)
        assert solo.cast() == [(Z, 1)]

    @pytest.mark.parametrize("verdict", [on.Verdict.INVALID, on.Verdict.UNTIMELY])
    def test_when_the_proposal_is_unfit(self, verdict):
        solo = follower(1)
        solo.offer(FOUR.header(1), verdict=verdict)
        assert solo.cast() == [(Z, 1)]

    def test_when_the_leader_gave_up_but_not_when_another_did(self):
        solo = follower(1)
        another = next(one for one in others(solo) if one != FOUR.leader(1))
        solo.hear(FOUR.z(1, another))
        assert solo.cast() == []
        solo.hear(FOUR.z(1, FOUR.leader(1)))
        assert solo.cast() == [(Z, 1)]

    def test_never_after_the_own_finalize_vote(self):
        """A vote of ours that comes back after the log was lost binds like one that is remembered."""
        solo = follower(1)
        solo.hear(FOUR.f(FOUR.header(1), solo.me))
        solo.feed(on.RoundDue(True))
        solo.wait(10 * TIMEOUT_MS)
        assert solo.cast() == []

    def test_never_so_far_that_no_block_could_follow(self):
        skipped = [FOUR.zc(slot) for slot in range(1, SKIPPED_SLOTS_MAX + 1)]
        solo = follower(SKIPPED_SLOTS_MAX + 1, *skipped)
        solo.feed(on.RoundDue(True))
        solo.wait(on.Timing().slot_timeout_max_ms)
        assert solo.machine.slot == SKIPPED_SLOTS_MAX + 1
        assert solo.cast() == []
        nearly = follower(SKIPPED_SLOTS_MAX, *skipped[:-1])
        nearly.feed(on.RoundDue(True))
        nearly.wait(on.Timing().slot_timeout_max_ms)
        assert nearly.cast() == [(Z, SKIPPED_SLOTS_MAX)]

    def test_is_published_again_until_the_slot_is_left(self):
        solo = follower(1)
        solo.feed(on.RoundDue(True))
        solo.wait(TIMEOUT_MS)
        before = len(solo.all(on.PublishSnapshot))
        solo.wait(5_000)
        assert len(solo.all(on.PublishSnapshot)) - before == 5
        assert solo.snapshot().votes == (FOUR.z(1, solo.me),)


class TestR4Finalize:
    def test_every_notarised_block_gets_f_also_when_its_slot_was_left_long_ago(self):
        first = FOUR.header(1)
        solo = follower(1)
        solo.hear(FOUR.zc(1), FOUR.zc(2), FOUR.zc(3))
        solo.hear(FOUR.nc(first))
        assert solo.cast() == [(F, 1)]

    def test_without_having_seen_the_block_or_voted_for_it(self):
        solo = follower(1)
        solo.hear(FOUR.nc(FOUR.header(1)))
        assert solo.cast() == [(F, 1)]

    def test_never_after_the_own_nullify_vote(self):
        solo = follower(1)
        solo.feed(on.RoundDue(True))
        solo.wait(TIMEOUT_MS)
        solo.hear(FOUR.nc(FOUR.header(1)))
        assert solo.cast() == [(Z, 1)]

    def test_once_per_slot(self):
        solo = follower(1)
        solo.hear(FOUR.nc(FOUR.header(1)), FOUR.nc(FOUR.header(1), [1, 2, 3]), FOUR.nc(FOUR.header(1)))
        assert solo.cast() == [(F, 1)]

    def test_the_notarisation_is_persisted_before_the_vote_that_rests_on_it(self):
        solo = follower(1)
        nc, vote = FOUR.nc(FOUR.header(1)), FOUR.f(FOUR.header(1), solo.me)
        effects = solo.hear(nc)
        order = [effects.index(one) for one in (on.Persist(nc), on.Persist(vote), on.Broadcast(vote))]
        assert order == sorted(order)


class TestR5Advance:
    @pytest.mark.parametrize("slot", [1, 2, 7, 900])
    @pytest.mark.parametrize("make", [FOUR.zc, lambda slot: FOUR.nc(FOUR.header(slot))], ids=["ZC", "NC"])
    def test_any_certificate_of_this_or_a_later_slot_jumps_there(self, make, slot):
        solo = follower(1)
        solo.hear(make(slot))
        assert solo.machine.slot == slot + 1

    def test_a_lower_certificate_is_kept_but_moves_nothing(self):
        solo = follower(1)
        solo.hear(FOUR.zc(5), FOUR.zc(3))
        assert solo.machine.slot == 6
        solo.wait(1_000)
        assert solo.snapshot().certificates == (FOUR.zc(3), FOUR.zc(5))

    def test_a_quorum_of_single_votes_is_a_certificate(self):
        solo = follower(1)
        header = FOUR.header(1)
        solo.offer(header)
        first, second, third = others(solo)
        solo.hear(FOUR.n(header, first))
        assert solo.machine.slot == 1
        solo.hear(FOUR.n(header, second))
        assert solo.machine.slot == 2
        assert solo.cast() == [(N, 1), (F, 1)]
        effects = solo.hear(FOUR.n(header, third))
        assert effects == []


class TestR6Decide:
    def test_a_final_block_and_its_ancestors_are_decided_in_height_order(self):
        one = FOUR.header(1)
        two = FOUR.header(2, one, [FOUR.fc(one)])
        solo = follower(1)
        solo.offer(one)
        solo.offer(two, [FOUR.fc(one)])
        assert solo.all(on.Decided) == [on.Decided(FOUR.fc(one), (hash_of(one),))]
        solo.hear(FOUR.fc(two))
        assert solo.all(on.Decided)[1:] == [on.Decided(FOUR.fc(two), (hash_of(two),))]
        assert (solo.machine.head.height, solo.machine.head.slot) == (2, 2)

    def test_waits_until_every_ancestor_is_known(self):
        one = FOUR.header(1)
        two = FOUR.header(2, one, [FOUR.fc(one)])
        solo = follower(1)
        solo.hear(FOUR.fc(two))
        assert solo.all(on.Decided) == []
        assert solo.all(on.FetchBlock)[0].hash == hash_of(two)
        solo.feed(on.BlockChecked(two, (FOUR.fc(one),)))
        assert solo.all(on.FetchBlock)[-1] == on.FetchBlock(hash_of(one), 1, 1)
        solo.feed(on.BlockChecked(one, ()))
        assert [effect.hashes for effect in solo.all(on.Decided)] == [(hash_of(one), hash_of(two))]

    def test_a_host_that_caught_up_moves_the_head(self):
        one = FOUR.header(1)
        two = FOUR.header(2, one, [FOUR.fc(one)])
        three = FOUR.header(3, two, [FOUR.fc(two)])
        solo = follower(1)
        solo.hear(FOUR.fc(three))
        solo.feed(on.Finalised(two, FOUR.fc(two)), on.BlockChecked(three, (FOUR.fc(two),)))
        assert [effect.hashes for effect in solo.all(on.Decided)] == [(hash_of(three),)]

    def test_two_final_blocks_of_one_slot_stop_the_machine(self):
        one, other = FOUR.header(1), FOUR.header(1, text=b"other")
        solo = follower(1)
        solo.offer(one)
        solo.hear(FOUR.fc(one))
        solo.hear(FOUR.fc(other, [1, 2, 3]))
        assert len(solo.all(on.Diverged)) == 1
        assert len(solo.all(on.Evidence)) == 2
        assert solo.feed(on.RoundDue(True), Woke()) == []

    def test_a_final_block_beside_the_decided_chain_stops_the_machine(self):
        one, other = FOUR.header(1), FOUR.header(2, just=[FOUR.zc(1)], text=b"other")
        beside = FOUR.header(3, other, [FOUR.fc(other)])
        solo = follower(1)
        solo.offer(one)
        solo.hear(FOUR.fc(one))
        solo.feed(on.BlockChecked(beside, (FOUR.fc(other),)), on.BlockChecked(other, (FOUR.zc(1),)))
        solo.hear(FOUR.fc(beside))
        assert solo.machine.halted

    def test_a_certified_block_that_is_invalid_here_stops_the_machine(self):
        solo = follower(1)
        solo.hear(FOUR.nc(FOUR.header(1)))
        solo.feed(on.BlockChecked(FOUR.header(1), (), on.Verdict.UNTIMELY))
        assert not solo.machine.halted
        solo.feed(on.BlockChecked(FOUR.header(1), (), on.Verdict.INVALID, "wrong root"))
        assert solo.machine.halted


class TestSmallSets:
    def test_one_validator_decides_alone(self):
        one = Committee(1)
        solo = Solo(one, 0)
        solo.feed(on.RoundDue(True))
        solo.feed(on.BlockBuilt(one.header(1), ()))
        assert solo.cast() == [(N, 1), (F, 1)]
        assert [effect.hashes for effect in solo.all(on.Decided)] == [(hash_of(one.header(1)),)]

    def test_an_observer_decides_and_never_signs(self):
        solo = Solo(FOUR, None)
        solo.feed(on.RoundDue(True))
        solo.offer(FOUR.header(1))
        solo.hear(FOUR.nc(FOUR.header(1)), FOUR.fc(FOUR.header(1)))
        assert solo.machine.head.height == 1
        assert solo.all(on.Broadcast) == []
        assert solo.all(on.PublishSnapshot) == []
