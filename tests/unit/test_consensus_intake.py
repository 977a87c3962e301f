"""What comes from peers: refused with a reason, bounded, checked no more than needed; and evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.core.consensus import events as on
from broker.core.consensus.knowledge import EVIDENCE_SLOTS, SLOTS_AHEAD_MAX
from broker.core.consensus.simplex import FAULTS_MAX, Simplex
from edge_client.protocol.errors import Reason
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import LinkUp, Refused
from edge_client.protocol.votes import Certificate, Quorum, Snapshot, nullify
from tests.simulation.consensus_parts import GENESIS, Committee, hash_of
from tests.simulation.consensus_solo import N, Solo, Z

FOUR = Committee(4)
FORGED = b"\x09" * 64
ONE, OTHER = FOUR.header(1), FOUR.header(1, text=b"other")
ME = (FOUR.leader(1) + 1) % 4
A, B = [one for one in range(4) if one not in (ME, FOUR.leader(1))]


def later_epoch(vote):
    return FOUR.vote(nullify(1, vote.slot), vote.signer)


class TestRefusals:
    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            (on.VoteReceived(A, replace(FOUR.z(1, A), signature=FORGED)), Reason.BAD_SIGNATURE),
            (on.VoteReceived(B, FOUR.z(1, A)), Reason.WRONG_SENDER),
            (on.CertificateReceived(A, FOUR.zc(1, [A, B])), Reason.TOO_FEW_SIGNATURES),
            (on.CertificateReceived(A, Committee(7).zc(1, [4, 5, 6])), Reason.WRONG_SENDER),
            (on.SnapshotReceived(A, Snapshot((FOUR.z(1, B),), ())), Reason.WRONG_SENDER),
            (on.SnapshotReceived(A, Snapshot((), (FOUR.nc(ONE, [A]),))), Reason.TOO_FEW_SIGNATURES),
            (
                on.ProposalReceived(A, replace(FOUR.proposal(ONE), signature=FORGED)),
                Reason.BAD_SIGNATURE,
            ),
            (on.ProposalReceived(A, FOUR.proposal(replace(ONE, proposer=A))), Reason.WRONG_SENDER),
            (on.ProposalReceived(A, FOUR.proposal(replace(ONE, validators=5))), Reason.WRONG_SENDER),
        ],
    )
    def test_each_with_its_reason_and_sender_and_without_any_other_effect(self, event, reason):
        solo = Solo(FOUR, ME)
        (refused,) = solo.feed(event)
        assert isinstance(refused, Refused)
        assert refused.reason is reason
        assert refused.sender == node_id(FOUR.validators.keys[event.sender])
        assert solo.machine.slot == 1
        assert solo.machine.deadline() is None

    def test_what_is_of_another_epoch_is_passed_over(self):
        """Who is ahead or behind does no wrong."""
        later = later_epoch(FOUR.z(1, A))
        certificate = Certificate(later.subject, FOUR.zc(1).quorum)
        proposal = FOUR.proposal(replace(ONE, epoch=1))
        solo = Solo(FOUR, ME)
        before = len(solo.effects)
        solo.feed(on.VoteReceived(A, later), on.CertificateReceived(A, certificate))
        solo.feed(
            on.ProposalReceived(A, proposal), on.SnapshotReceived(A, Snapshot((later,), (certificate,)))
        )
        assert solo.effects[before:] == []
        assert solo.machine.deadline() is None

    def test_who_sends_too_much_rubbish_is_not_looked_at_until_something_is_final(self):
        solo = Solo(FOUR, ME)
        forged = on.VoteReceived(A, replace(FOUR.z(1, A), signature=FORGED))
        for _ in range(FAULTS_MAX + 10):
            solo.feed(forged)
        assert len(solo.all(Refused)) == FAULTS_MAX
        solo.feed(on.CertificateReceived(B, FOUR.fc(ONE)))
        solo.feed(on.VoteReceived(A, replace(FOUR.z(2, A), signature=FORGED)))
        assert len(solo.all(Refused)) == FAULTS_MAX + 1


class TestWork:
    """How many signatures are checked: the injected check counts."""

    def machine(self) -> tuple[Simplex, list[bytes]]:
        checked: list[bytes] = []

        def verify(key: bytes, message: bytes, signature: bytes) -> bool:
            checked.append(signature)
            return FOUR.verify(key, message, signature)

        machine = Simplex(FOUR.setup(ME), FOUR.signs[ME], verify, GENESIS)
        machine.handle(LinkUp("server"), 0)
        return machine, checked

    def test_a_repeated_vote_is_not_checked_again(self):
        machine, checked = self.machine()
        for _ in range(5):
            machine.handle(on.VoteReceived(A, FOUR.n(ONE, A)), 0)
        assert len(checked) == 1

    def test_votes_on_a_certified_subject_and_votes_of_final_slots_are_not_checked(self):
        machine, checked = self.machine()
        machine.handle(on.CertificateReceived(A, FOUR.fc(ONE, [0, 1, 2])), 0)
        after = len(checked)
        for signer in range(4):
            machine.handle(on.VoteReceived(signer, FOUR.f(ONE, signer)), 0)
            machine.handle(on.VoteReceived(signer, FOUR.n(ONE, signer)), 0)
        own = 2  # an own vote that comes back is always looked at: it binds
        assert len(checked) - after <= own

    def test_a_certificate_on_a_certified_subject_is_not_checked(self):
        machine, checked = self.machine()
        machine.handle(on.CertificateReceived(A, FOUR.zc(1, [A, B, FOUR.leader(1)])), 0)
        after = len(checked)
        machine.handle(on.CertificateReceived(A, FOUR.zc(1, [A, B, FOUR.leader(1)])), 0)
        assert len(checked) == after


class TestBounds:
    def test_votes_and_proposals_too_far_ahead_are_ignored(self):
        solo = Solo(FOUR, ME)
        far = 1 + SLOTS_AHEAD_MAX + 1
        assert solo.hear(FOUR.z(far, A)) == []
        assert solo.feed(on.ProposalReceived(A, FOUR.proposal(FOUR.header(far)))) == []
        assert solo.machine._known.witness.ballots.get(far, Z, A) is None
        solo.hear(FOUR.z(far - 1, A))
        assert solo.machine._known.witness.ballots.get(far - 1, Z, A) is not None

    def test_an_fc_forgets_all_below_except_what_may_still_convict(self):
        solo = Solo(FOUR, ME)
        for slot in range(1, 101):
            solo.hear(FOUR.zc(slot))
        solo.hear(FOUR.fc(FOUR.header(100)))
        known = solo.machine._known
        assert len(known.pool) == 0
        assert known.pool.all() == (FOUR.fc(FOUR.header(100)),)
        assert min(known.witness.ballots._slots) == 100 - EVIDENCE_SLOTS + 1


def accusation(offender, first, second):
    return on.Evidence(offender, FOUR.validators.keys[offender], first, second)


class TestEvidence:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (FOUR.n(ONE, A), FOUR.n(OTHER, A)),
            (FOUR.f(ONE, A), FOUR.f(OTHER, A)),
            (FOUR.z(1, A), FOUR.f(ONE, A)),
            (FOUR.f(ONE, A), FOUR.z(1, A)),
        ],
        ids=["N N", "F F", "Z F", "F Z"],
    )
    @pytest.mark.parametrize("when", ["open", "notarised", "nullified", "final"])
    def test_each_pair_is_found_once_whatever_became_of_the_slot(self, first, second, when):
        solo = Solo(FOUR, ME)
        rest = [one for one in range(4) if one != A]
        before = {
            "open": [],
            "notarised": [FOUR.nc(ONE, rest)],
            "nullified": [FOUR.zc(1, rest)],
            "final": [FOUR.fc(ONE, rest)],
        }
        solo.hear(*before[when])
        solo.hear(first, second, first, second)
        assert solo.all(on.Evidence) == [accusation(A, first, second)]

    def test_votes_hidden_in_certificates_count(self):
        solo = Solo(FOUR, ME)
        solo.hear(FOUR.nc(ONE, [A, B, FOUR.leader(1)]), FOUR.n(OTHER, A))
        assert solo.all(on.Evidence) == [accusation(A, FOUR.n(ONE, A), FOUR.n(OTHER, A))]

    def test_two_proposals_of_one_leader(self):
        solo = Solo(FOUR, ME)
        first, second = FOUR.proposal(ONE), FOUR.proposal(OTHER)
        for proposal in (first, second, first, second):
            solo.feed(on.ProposalReceived(A, proposal))
        assert solo.all(on.Evidence) == [accusation(FOUR.leader(1), first, second)]
        assert [one.proposal for one in solo.all(on.CheckBlock)] == [first]

    @pytest.mark.parametrize(
        "votes",
        [
            [FOUR.n(ONE, A), FOUR.z(1, A)],
            [FOUR.n(ONE, A), FOUR.f(OTHER, A)],
            [FOUR.n(ONE, A), FOUR.f(ONE, A)],
            [FOUR.z(1, A), FOUR.z(2, A), FOUR.f(FOUR.header(3), A)],
            [FOUR.n(ONE, A), FOUR.n(OTHER, B)],
        ],
        ids=["N Z", "N F of another", "N F", "slots", "two validators"],
    )
    def test_what_an_honest_validator_may_do_is_no_evidence(self, votes):
        solo = Solo(FOUR, ME)
        solo.hear(*votes)
        assert solo.all(on.Evidence) == []

    def test_a_forged_vote_convicts_nobody_and_does_not_hide_the_genuine_one(self):
        solo = Solo(FOUR, ME)
        rest = [one for one in range(4) if one != A]
        solo.hear(FOUR.fc(ONE, rest))
        solo.hear(replace(FOUR.f(ONE, A), signature=FORGED))  # held unchecked: nothing hangs on it
        solo.hear(FOUR.z(1, A))
        assert solo.all(on.Evidence) == []
        solo.hear(FOUR.f(ONE, A))
        assert solo.all(on.Evidence) == [accusation(A, FOUR.z(1, A), FOUR.f(ONE, A))]

    def test_a_forged_vote_on_the_same_subject_does_not_take_the_place_of_the_genuine_one(self):
        solo = Solo(FOUR, ME)
        rest = [one for one in range(4) if one != A]
        solo.hear(FOUR.fc(ONE, rest))
        solo.hear(replace(FOUR.f(ONE, A), signature=FORGED), FOUR.f(ONE, A), FOUR.z(1, A))
        assert solo.all(on.Evidence) == [accusation(A, FOUR.f(ONE, A), FOUR.z(1, A))]

    def test_a_forged_vote_does_not_stand_before_a_genuine_rival(self):
        """Both a forged F' and a genuine Z stand against F: the first is dropped, the second convicts."""
        solo = Solo(FOUR, ME)
        rest = [one for one in range(4) if one != A]
        solo.hear(FOUR.fc(ONE, rest), FOUR.z(1, A))
        forged = replace(FOUR.f(OTHER, A), signature=FORGED)
        solo.machine._known.witness.ballots.hold(forged, checked=False)
        solo.hear(FOUR.f(ONE, A))
        assert solo.all(on.Evidence) == [accusation(A, FOUR.z(1, A), FOUR.f(ONE, A))]

    def test_a_forged_vote_in_a_certificate_nobody_needs_does_not_displace_what_is_held(self):
        solo = Solo(FOUR, ME)
        rest = [one for one in range(4) if one != A]
        solo.hear(FOUR.fc(ONE, rest), FOUR.f(ONE, A))
        forged = {A: FORGED} | {one: FOUR.f(ONE, one).signature for one in rest[:2]}
        solo.hear(Certificate(FOUR.f(ONE, A).subject, Quorum.of(forged)))
        solo.hear(FOUR.z(1, A))
        assert solo.all(on.Evidence) == [accusation(A, FOUR.f(ONE, A), FOUR.z(1, A))]


class TestRestart:
    def test_votes_in_the_log_are_published_as_they_are_and_bind(self):
        vote = FOUR.n(ONE, ME)
        solo = Solo(FOUR, ME, vote)
        assert solo.snapshot().votes == (vote,)
        solo.offer(OTHER)
        assert solo.cast() == []
        assert solo.all(on.Persist) == []

    def test_a_proposal_in_the_log_is_sent_again_and_no_other_is_built(self):
        leader = FOUR.leader(1)
        solo = Solo(FOUR, leader, FOUR.proposal(ONE))
        assert on.Broadcast(FOUR.proposal(ONE)) in solo.effects
        solo.feed(on.RoundDue(True))
        assert solo.all(on.BuildBlock) == []
        solo.feed(on.BlockChecked(ONE, ()))
        assert solo.cast() == [(N, 1)]

    def test_certificates_in_the_log_put_it_where_it_was(self):
        two = FOUR.header(2, just=[FOUR.zc(1)])
        solo = Solo(FOUR, ME, FOUR.zc(1), FOUR.n(two, ME), FOUR.nc(two), FOUR.f(two, ME))
        assert solo.machine.slot == 3
        assert solo.cast() == []
        assert solo.all(on.FetchBlock) == [on.FetchBlock(hash_of(two), 1, 2)]
        assert set(solo.snapshot().certificates) == {FOUR.zc(1), FOUR.nc(two)}
        assert solo.snapshot().votes == (FOUR.f(two, ME),)

    def test_a_vote_of_ours_that_comes_back_after_the_log_was_lost_binds_and_is_persisted(self):
        solo = Solo(FOUR, ME)
        solo.feed(on.SnapshotReceived(ME, Snapshot((FOUR.n(OTHER, ME),), ())))
        assert solo.all(on.Persist) == [on.Persist(FOUR.n(OTHER, ME))]
        solo.offer(ONE)
        assert solo.cast() == []


class TestAntiEntropy:
    def test_a_snapshot_soon_after_every_slot_entered_and_at_once_on_fc(self):
        solo = Solo(FOUR, ME)
        solo.offer(ONE)
        before = len(solo.all(on.PublishSnapshot))
        solo.hear(FOUR.zc(1))
        solo.wait(on.Timing().slot_snapshot_ms - 1)
        assert len(solo.all(on.PublishSnapshot)) == before
        solo.wait(1)
        assert solo.snapshot().certificates == (FOUR.zc(1),)
        solo.hear(FOUR.fc(ONE))
        assert len(solo.all(on.PublishSnapshot)) == before + 2
        assert solo.snapshot() == Snapshot((), (FOUR.fc(ONE),))

    def test_one_snapshot_for_a_slot_entered_and_the_fc_that_follows_at_once(self):
        solo = Solo(FOUR, ME)
        solo.offer(ONE)
        before = len(solo.all(on.PublishSnapshot))
        solo.hear(FOUR.nc(ONE))
        solo.hear(FOUR.fc(ONE))
        solo.wait(on.Timing().slot_snapshot_ms)
        assert len(solo.all(on.PublishSnapshot)) == before + 1
        assert solo.snapshot() == Snapshot((), (FOUR.fc(ONE),))

    def test_otherwise_at_most_one_per_interval(self):
        solo = Solo(FOUR, ME)
        solo.offer(ONE)
        before = len(solo.all(on.PublishSnapshot))
        solo.wait(on.Timing().snapshot_interval_ms - 1)
        assert len(solo.all(on.PublishSnapshot)) == before
        solo.wait(1)
        assert len(solo.all(on.PublishSnapshot)) == before + 1
        assert solo.snapshot().votes == (FOUR.n(ONE, ME),)

    def test_who_is_behind_gets_an_answer_once_also_from_an_idle_validator(self):
        solo = Solo(FOUR, ME)
        solo.offer(ONE)
        solo.hear(FOUR.fc(ONE))
        assert solo.machine.deadline() is None
        solo.feed(on.SnapshotReceived(A, Snapshot((), ())))
        before = len(solo.all(on.PublishSnapshot))
        solo.wait(10_000)
        assert len(solo.all(on.PublishSnapshot)) == before + 1

    def test_who_caught_up_meanwhile_gets_none(self):
        solo = Solo(FOUR, ME)
        solo.offer(ONE)
        solo.hear(FOUR.fc(ONE))
        solo.feed(on.SnapshotReceived(A, Snapshot((), ())))
        solo.feed(on.SnapshotReceived(A, Snapshot((), (FOUR.fc(ONE),))))
        assert solo.machine.deadline() is None

    def test_a_certified_split_heals(self):
        """Half hold NC(1), half ZC(1): both kinds must reach a leader that is already past the slot."""
        with_nc = Solo(FOUR, ME, FOUR.nc(ONE))
        with_zc = Solo(FOUR, FOUR.leader(2), FOUR.zc(1))
        with_zc.feed(on.SnapshotReceived(ME, with_nc.snapshot()))
        with_nc.feed(on.SnapshotReceived(FOUR.leader(2), with_zc.snapshot()))
        for solo in (with_nc, with_zc):
            solo.wait(1_000)
            assert set(solo.snapshot().certificates) == {FOUR.nc(ONE), FOUR.zc(1)}

    def test_nothing_is_published_while_the_link_is_away(self):
        solo = Solo(FOUR, ME, linked=False)
        solo.hear(FOUR.zc(1))
        solo.wait(10_000)
        assert solo.all(on.PublishSnapshot) == []
        solo.feed(LinkUp("server"))
        assert solo.snapshot().certificates == (FOUR.zc(1),)
