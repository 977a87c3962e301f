"""[EVI-5]: what a validator does with a pair it saw, and with one it is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from broker.core.accuser import TELL_MS, TELL_MS_MAX, Accuser
from broker.core.consensus import events as on
from broker.core.effects import ForgetEvidence, StoreEvidence
from broker.core.identity import Identity
from broker.core.pool import Pool
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.machine import Note
from edge_client.protocol.messages import SubmitRecord
from edge_client.protocol.votes import VoteKind
from tests.builders import ChainMaker
from tests.candidacies import block_vote, nullify_vote, vote_pair
from tests.ledger_rig import ledger_of, store_of, tip_of

CHEAT = 2


class Rig:
    """An accuser on the last block of a chain; `signatures` counts what it verifies."""

    def __init__(self, chain: ChainMaker) -> None:
        self.signatures = 0
        self.chain = chain
        rules = Rules(chain.genesis, chain.chain_id, self.verify)
        self.ledger = ledger_of(chain, store_of(chain))
        self.pool = Pool(rules)
        self.accuser = Accuser(Identity.of(rules, chain.signers[0]), self.ledger, self.pool, lambda: 7)

    def verify(self, key: bytes, message: bytes, signature: bytes) -> bool:
        self.signatures += 1
        return self.chain.rules.verify(key, message, signature)

    def seen(self, mark: int = 2) -> on.Evidence:
        signer = self.chain.signers[CHEAT]
        votes = [block_vote(self.chain, signer, VoteKind.NOTARIZE, one) for one in (1, mark)]
        return on.Evidence(CHEAT, signer.public_key, votes[0], votes[1])

    def advance(self) -> list[ForgetEvidence]:
        self.ledger.head = tip_of(self.chain)
        return self.accuser.settle()


@pytest.fixture
def rig() -> Rig:
    return Rig(ChainMaker())


def test_what_was_seen_is_kept_pooled_and_told_ever_more_seldom(rig: Rig) -> None:
    stored, note = rig.accuser.accuse(rig.seen(), 1_000)
    assert isinstance(stored, StoreEvidence)
    assert isinstance(note, Note)
    assert rig.pool.choose(tip_of(rig.chain), 0) == [stored.pair]
    assert rig.pool.is_due(rig.chain.state, 0, 1_000), "evidence waits for nothing"
    told, now_ms = [], 1_000
    while now_ms < 1_000 + 4 * TELL_MS_MAX:
        asks = rig.accuser.due(now_ms)
        assert [one.question for one in asks] == [SubmitRecord(stored.pair)]
        told.append(now_ms)
        now_ms = rig.accuser.deadline() or 0
    waits = [later - earlier for earlier, later in pairwise(told)]
    assert waits[:2] == [TELL_MS, 2 * TELL_MS]
    assert max(waits) == TELL_MS_MAX
    rig.accuser.hurry()
    assert rig.accuser.due(now_ms)


def test_a_second_contradiction_of_the_same_key_costs_nothing(rig: Rig) -> None:
    rig.accuser.accuse(rig.seen(), 0)
    before = rig.signatures
    assert rig.accuser.accuse(rig.seen(mark=3), 0) == []
    assert rig.accuser.hear(vote_pair(rig.chain, rig.chain.signers[CHEAT], slot=5), 0) == []
    assert rig.signatures == before


def test_once_convicted_the_pair_is_forgotten_and_new_ones_are_not_looked_at(rig: Rig) -> None:
    rig.accuser.accuse(rig.seen(), 0)
    rig.chain.add([vote_pair(rig.chain, rig.chain.signers[CHEAT])])
    assert rig.advance() == [ForgetEvidence(rig.chain.signers[CHEAT].public_key)]
    assert rig.accuser.deadline() is None
    before = rig.signatures
    assert rig.accuser.accuse(rig.seen(mark=3), 0) == []
    assert rig.accuser.hear(vote_pair(rig.chain, rig.chain.signers[CHEAT], slot=5), 0) == []
    assert rig.signatures == before


def test_what_another_saw_is_pooled_and_not_told_on(rig: Rig) -> None:
    pair = vote_pair(rig.chain, rig.chain.signers[CHEAT])
    assert len(rig.accuser.hear(pair, 0)) == 1
    assert rig.accuser.hear(pair, 0) == []
    assert rig.pool.choose(tip_of(rig.chain), 0) == [pair]
    assert rig.accuser.due(0) == []


def test_forged_evidence_is_refused(rig: Rig) -> None:
    forged = replace(vote_pair(rig.chain, rig.chain.signers[CHEAT]), first_signature=bytes(64))
    with pytest.raises(ProtocolError) as caught:
        rig.accuser.hear(forged, 0)
    assert caught.value.reason == Reason.BAD_SIGNATURE


def test_what_no_record_can_show_stops_nobody(rig: Rig) -> None:
    signer = rig.chain.signers[CHEAT]
    first, second = block_vote(rig.chain, signer, VoteKind.NOTARIZE), nullify_vote(rig.chain, signer)
    (note,) = rig.accuser.accuse(on.Evidence(CHEAT, signer.public_key, first, second), 0)
    assert isinstance(note, Note)
    assert rig.accuser.deadline() is None


def test_what_the_disk_kept_is_told_again_unless_it_did_its_work(rig: Rig) -> None:
    pair = vote_pair(rig.chain, rig.chain.signers[CHEAT])
    rig.accuser.restore([pair])
    assert [one.question for one in rig.accuser.due(0)] == [SubmitRecord(pair)]
    rig.chain.add([pair])
    late = Rig(rig.chain)
    late.accuser.restore([pair])
    assert late.accuser.due(0) == []
