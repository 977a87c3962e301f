"""After a sleep longer than trust lasts: the owner's word leads on, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.core.answers import vouched
from edge_client.core.audit import Held, Proven, audit
from edge_client.core.light_client import Advanced, Known, LightClient
from edge_client.core.segments import History, Segment
from edge_client.core.trusted import Tip, Trusted, verified_head
from edge_client.core.verify import DAY_MS, Conflict, Invalid, LightRules, NeedCheckpoint
from edge_client.protocol import keys
from edge_client.protocol.errors import Reason
from edge_client.protocol.handoff import TrustedSet
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.vouched import GetVouched, LastEnd, Vouched
from tests.builders import T0_S
from tests.light_epochs import newcomer, rotating, set_of
from tests.light_shelf import Shelf

CHAIN = rotating()
SLEPT_AT, TOLD = 2, 17
LATE_MS = (T0_S + 10 * SLEPT_AT) * 1000 + DAY_MS


def word(height: int = TOLD) -> Checkpoint:
    return Checkpoint(height, CHAIN.hash(height))


def client(checkpoint: Checkpoint | None, height: int = SLEPT_AT) -> LightClient:
    header = CHAIN.header(height)
    tip = Tip(height, CHAIN.hash(height), header.time_s, CHAIN.peaks(height))
    signing = TrustedSet(header.epoch, set_of(CHAIN.blocks[height - 1].signers))
    rules = LightRules(CHAIN.chain_id, CHAIN.genesis.t0_s, keys.verify, DAY_MS)
    trusted = Trusted(tip, verified_head(CHAIN.light_block(height), tip.hash), signing)
    return LightClient(rules, trusted, checkpoint)


def shown(height: int = TOLD, above: int = SLEPT_AT) -> Vouched:
    found = vouched(Shelf(CHAIN), above, height)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("height", [3, 4, 6, 7, 17, 21])
def test_the_owners_word_leads_to_the_validators_of_its_epoch(height: int) -> None:
    light = client(word(height))
    assert light.vouched == GetVouched(SLEPT_AT, height)
    progress = light.take_vouched(shown(height), LATE_MS)
    assert isinstance(progress, Advanced)
    assert progress.head is None
    assert light.tip == Tip(height, CHAIN.hash(height), 10 * height, CHAIN.peaks(height))
    assert light.signing == TrustedSet(CHAIN.header(height).epoch, set_of(CHAIN.blocks[height - 1].signers))
    assert light.behind
    assert light.head.height == SLEPT_AT


def test_a_later_block_confirms_it() -> None:
    light = client(word())
    light.take_vouched(shown(), LATE_MS)
    later = light.offer(CHAIN.light_block(18), LATE_MS)
    assert isinstance(later, Advanced)
    assert (light.head.height, light.behind) == (18, False)


def test_the_head_itself_may_be_vouched_for() -> None:
    light = client(word(CHAIN.height))
    light.take_vouched(shown(CHAIN.height), LATE_MS)
    assert isinstance(light.offer(CHAIN.light_block(), LATE_MS), Advanced)
    assert (light.head.height, light.behind) == (CHAIN.height, False)


def test_a_later_block_on_another_history_is_a_conflict() -> None:
    light = client(word(20))
    light.take_vouched(shown(20), LATE_MS)
    twin = replace(CHAIN.header(21), history_root=bytes(32))
    block = replace(CHAIN.light_block(21), header=twin, finality=CHAIN.finality(21, header=twin))
    assert isinstance(light.offer(block, LATE_MS), Conflict)


def test_without_a_word_or_with_an_old_one_nothing_is_asked() -> None:
    assert client(None).vouched is None
    assert client(word(2)).vouched is None
    light = client(word(2))
    assert light.take_vouched(shown(), LATE_MS) == Invalid(
        Reason.WRONG_HASH, "not the header vouched for at height 2"
    )
    assert light.offer(CHAIN.light_block(3), LATE_MS) == NeedCheckpoint()


def test_a_word_may_come_later_and_the_highest_counts() -> None:
    light = client(None)
    light.trust(word(17))
    light.trust(word(9))
    assert light.vouched == GetVouched(SLEPT_AT, 17)


def test_whose_trust_holds_needs_nobodys_word() -> None:
    light = client(word())
    assert light.take_vouched(shown(), LATE_MS - 1) == Known()
    assert client(None).take_vouched(shown(), LATE_MS) == Known()


END = shown().end
assert END is not None
BROKEN = {
    "another header": replace(shown(), header=replace(CHAIN.header(TOLD), body_root=bytes(32))),
    "another height": shown(16),
    "another history": replace(shown(), extension=(bytes(32), *shown().extension[1:])),
    "a hash too few": replace(shown(), extension=shown().extension[1:]),
    "no end": replace(shown(), end=None),
    "the end of another epoch": replace(shown(), end=replace(END, handoff=CHAIN.handoff(3))),
    "an end that is not in its history": replace(
        shown(), end=replace(END, handoff=CHAIN.forged_handoff(4, body_root=bytes(32)))
    ),
    "an end with the wrong way to it": replace(shown(), end=LastEnd(END.handoff, (*END.below, bytes(32)))),
    "an end with other validators": replace(
        shown(),
        end=replace(
            END,
            handoff=replace(
                END.handoff,
                sets=replace(
                    END.handoff.sets,
                    changes=(replace(END.handoff.sets.changes[0], key=newcomer(9).public_key),),
                ),
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_moves_nothing(name: str) -> None:
    light = client(word())
    assert isinstance(light.take_vouched(BROKEN[name], LATE_MS), Invalid)
    assert light.tip.height == SLEPT_AT
    assert light.signing.epoch == 0


def test_what_is_not_there_is_not_answered() -> None:
    shelf = Shelf(CHAIN)
    assert vouched(shelf, 2, 22) is None  # type: ignore[arg-type]


def held() -> Held:
    """What is stored after the owner's word and one block more."""
    light = client(word())
    landed = light.take_vouched(shown(), LATE_MS)
    assert isinstance(landed, Advanced)
    assert landed.vouching is not None
    assert isinstance(light.offer(CHAIN.light_block(18), LATE_MS), Advanced)
    linked = [CHAIN.header(height).encode_linked() for height in range(1, 19)]
    segments = [Segment(1, (), linked[:SLEPT_AT]), Segment(TOLD, landed.extension, linked[TOLD - 1 :])]
    at = landed.vouching.at
    history = History(segments, {at.header.height: at})
    return Held(history, light.tip, CHAIN.light_block(18), (), [landed.vouching.handoff])


def test_what_the_owners_word_led_to_can_be_audited() -> None:
    rules = LightRules(CHAIN.chain_id, CHAIN.genesis.t0_s, keys.verify)
    proven = audit(rules, CHAIN.genesis.validators, held(), LATE_MS)
    assert isinstance(proven, Proven)
    assert (proven.linked, proven.vouched, proven.epoch) == (((1, 2), (17, 18)), 1, CHAIN.header(18).epoch)


def test_without_its_end_of_epoch_it_cannot() -> None:
    rules, true = LightRules(CHAIN.chain_id, CHAIN.genesis.t0_s, keys.verify), held()
    (end,) = true.vouched
    forged = CHAIN.forged_handoff(end.epoch, body_root=bytes(32))
    other = replace(end.sets.changes[0], key=newcomer(9).public_key)
    for lie in ((), (forged,), (replace(end, sets=replace(end.sets, changes=(other,))),)):
        assert isinstance(
            audit(rules, CHAIN.genesis.validators, replace(true, vouched=lie), LATE_MS), Invalid
        )
    unshown = replace(true, history=replace(true.history, shown={}))
    assert isinstance(audit(rules, CHAIN.genesis.validators, unshown, LATE_MS), Invalid)
