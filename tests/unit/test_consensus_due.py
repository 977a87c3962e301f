"""The due rule: when a validator works on a slot, for how long, and when it sleeps."""

from __future__ import annotations

from broker.core.consensus import events as on
from broker.core.consensus.simplex import PROMPT_SLOTS_PER_VALIDATOR
from edge_client.protocol.machine import LinkLost, LinkUp, Woke
from tests.simulation.consensus_solo import FOUR, TIMEOUT_MS, Z, follower, others


class TestDueRule:
    def test_an_idle_validator_wants_no_wake_up(self):
        assert follower(1).machine.deadline() is None

    def test_an_fc_ends_the_business(self):
        solo = follower(1)
        solo.feed(on.RoundDue(True))
        solo.offer(FOUR.header(1))
        solo.hear(FOUR.fc(FOUR.header(1)))
        assert solo.machine.deadline() is None
        solo.feed(on.RoundDue(True))
        assert solo.machine.deadline() is not None

    def test_time_does_not_count_while_the_link_is_away(self):
        solo = follower(1)
        solo.feed(on.RoundDue(True))
        solo.wait(TIMEOUT_MS - 100)
        solo.feed(LinkLost("gone"))
        assert solo.machine.deadline() is None
        solo.wait(3_600_000)
        solo.feed(Woke(), LinkUp("back"))
        solo.wait(99)
        assert solo.cast() == []
        solo.wait(1)
        assert solo.cast() == [(Z, 1)]

    def test_a_message_of_the_slot_starts_the_timer(self):
        solo = follower(1)
        another = next(one for one in others(solo) if one != FOUR.leader(1))
        solo.hear(FOUR.z(1, another))
        solo.wait(TIMEOUT_MS)
        assert solo.cast() == [(Z, 1)]

    def test_one_validator_cannot_burn_idle_slots_for_ever(self):
        slots = PROMPT_SLOTS_PER_VALIDATOR * 4
        solo = follower(slots + 1, *[FOUR.zc(slot) for slot in range(1, slots + 1)])
        first, second = [one for one in others(solo) if one != FOUR.leader(slots + 1)]
        solo.hear(FOUR.z(slots + 1, first))
        solo.wait(1_000_000)
        assert solo.cast() == []
        solo.hear(FOUR.z(slots + 1, second))
        solo.wait(1_000_000)
        assert solo.cast() == [(Z, slots + 1)]

    def test_the_timeout_doubles_with_each_lost_slot_to_a_cap_and_an_fc_resets_it(self):
        solo = follower(1)
        waits = []
        for slot in range(1, 8):
            solo.feed(on.RoundDue(True))
            before = solo.now_ms
            while (Z, slot) not in solo.cast():
                solo.wait(1_000)
            waits.append(solo.now_ms - before)
            solo.hear(FOUR.zc(slot))
        assert waits == [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
        solo.hear(FOUR.fc(FOUR.header(8)))
        assert solo.machine._timeout_ms() == 2_000
