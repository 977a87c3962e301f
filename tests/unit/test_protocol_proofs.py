"""[PRF-1] to [PRF-5]: what a proof file proves, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from edge_client.protocol import proof_checks
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.handoff import Handoff, SeatChange, SetProof
from edge_client.protocol.header import Header
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.keys import verify
from edge_client.protocol.proof_checks import (
    PREDICATES,
    Anchor,
    Contradicted,
    NotLinked,
    Proven,
    Refused,
    Verdict,
    check_proof,
)
from edge_client.protocol.proofs import (
    PROOF_BYTES_MAX,
    PROOF_MAGIC,
    BalanceProof,
    Bundle,
    ModelProof,
    ProofFile,
    UpdateProof,
)
from edge_client.protocol.votes import Finality, Quorum
from tests.builders import ChainMaker, make_genesis
from tests.light_forge import finality
from tests.proof_builders import ancestor, balance_proof, make_bundle, model_proof, update_proof


@cache
def chain() -> ChainMaker:
    """Three devices, rounds closed at heights 2 and 3, nine more blocks."""
    made = ChainMaker(devices=3)
    made.close_round()
    made.close_round((0, 2))
    for _ in range(9):
        made.add()
    return made


@cache
def proof() -> ProofFile:
    claims = (update_proof(chain(), 3), balance_proof(chain(), 1, 2), model_proof(chain()))
    return ProofFile(chain().genesis, make_bundle(chain(), claims, checkpoint=9))


def checkpoint(height: int, made: ChainMaker | None = None) -> Checkpoint:
    made = made or chain()
    return Checkpoint(height, made.headers[height - 1].hash(made.chain_id))


def judged(file: ProofFile, anchor: Anchor | None = None) -> Verdict:
    return check_proof(file, anchor or Anchor(chain().chain_id), verify)


def refusal(bundle: Bundle) -> Reason:
    verdict = judged(replace(proof(), bundle=bundle))
    assert isinstance(verdict, Refused), verdict
    return verdict.reason


def with_claim(claim: UpdateProof | BalanceProof | ModelProof) -> Bundle:
    return replace(proof().bundle, claims=(claim,))


class TestAnchors:
    @pytest.mark.parametrize(
        "anchor",
        [
            Anchor(chain().chain_id),
            Anchor(checkpoint=checkpoint(9)),
            Anchor(checkpoint=checkpoint(12)),
            Anchor(chain().chain_id, checkpoint(9)),
            Anchor(checkpoint=checkpoint(3)),
        ],
        ids=["chain", "checkpoint", "head", "both", "header of a claim"],
    )
    def test_who_knows_one_true_thing_is_convinced(self, anchor: Anchor) -> None:
        assert judged(proof(), anchor) == Proven(chain().chain_id, 3)

    def test_who_knows_nothing_cannot_ask(self) -> None:
        with pytest.raises(ValueError, match="chain id or a checkpoint"):
            Anchor()

    def test_another_chain(self) -> None:
        verdict = judged(proof(), Anchor(bytes(32)))
        assert isinstance(verdict, Refused)
        assert verdict.reason == Reason.WRONG_CHAIN

    def test_a_checkpoint_of_a_height_that_is_not_in_the_file(self) -> None:
        assert judged(proof(), Anchor(checkpoint=checkpoint(5))) == NotLinked(5)
        assert judged(proof(), Anchor(checkpoint=Checkpoint(13, bytes(32)))) == NotLinked(13)

    def test_a_checkpoint_of_another_chain_with_the_same_validators(self) -> None:
        other = ChainMaker(make_genesis(t0_s=1), devices=3)
        for _ in range(11):
            other.add()
        for height in (9, 12):
            verdict = judged(proof(), Anchor(checkpoint=checkpoint(height, other)))
            assert isinstance(verdict, Refused)
            assert verdict.reason == Reason.WRONG_CHAIN

    @pytest.mark.parametrize("height", [9, 12])
    def test_two_final_histories_contradict_each_other(self, height: int) -> None:
        """The fork has other blocks from height 9 on and is signed by the same quorum: not a false proof."""
        fork = ChainMaker(devices=3)
        fork.close_round()
        fork.close_round((0, 2))
        for _ in range(5):
            fork.add()
        for extra_s in range(4):
            fork.add(time_s=fork.time_s + 11 + extra_s)
        forked = ProofFile(fork.genesis, make_bundle(fork, (model_proof(fork),), checkpoint=9))
        assert judged(forked) == Proven(chain().chain_id, 3)
        anchor = Anchor(chain().chain_id, checkpoint(height))
        assert judged(forked, anchor) == Contradicted(height)

    def test_a_forged_head_contradicts_nothing(self) -> None:
        """Only a final header may accuse the validators."""
        unsigned = replace(proof().bundle, finality=Finality(12, Quorum(0, ())))
        anchor = Anchor(chain().chain_id, Checkpoint(9, bytes(32)))
        verdict = judged(replace(proof(), bundle=unsigned), anchor)
        assert isinstance(verdict, Refused)
        assert verdict.reason == Reason.TOO_FEW_SIGNATURES


class TestHead:
    def test_another_set(self) -> None:
        head = chain().headers[-1]
        for wrong in (replace(head, epoch=1), replace(head, validators=5)):
            assert refusal(replace(proof().bundle, head=wrong)) == Reason.MALFORMED

    def test_too_few_signatures(self) -> None:
        two = chain().finality(12, (0, 1))
        assert refusal(replace(proof().bundle, finality=two)) == Reason.TOO_FEW_SIGNATURES

    def test_signatures_of_others(self) -> None:
        three = chain().certificate(12, (0, 1, 2)).quorum
        for signers, reason in ((0b1011, Reason.BAD_SIGNATURE), (0b10011, Reason.WRONG_SENDER)):
            wrong = Finality(12, replace(three, signers=signers))
            assert refusal(replace(proof().bundle, finality=wrong)) == reason

    def test_the_certificate_of_another_block(self) -> None:
        wrong = replace(chain().finality(11), slot=12)
        assert refusal(replace(proof().bundle, finality=wrong)) == Reason.BAD_SIGNATURE

    def test_final_before_it_was_proposed(self) -> None:
        wrong = replace(proof().bundle.finality, slot=11)
        assert refusal(replace(proof().bundle, finality=wrong)) == Reason.MALFORMED


class TestAncestors:
    def test_peaks_of_another_height(self) -> None:
        bundle = replace(proof().bundle, peaks=chain().peaks(10))
        assert refusal(bundle) == Reason.WRONG_HASH

    def test_a_checkpoint_that_is_not_in_the_history(self) -> None:
        linked = ancestor(chain(), 9)
        assert linked is not None
        for wrong in (
            replace(linked, header=replace(linked.header, time_s=1)),
            replace(linked, header=replace(linked.header, height=8)),
            replace(linked, siblings=linked.siblings[:-1]),
            replace(linked, siblings=(*linked.siblings, bytes(32))),
        ):
            assert refusal(replace(proof().bundle, checkpoint=wrong)) == Reason.WRONG_HASH

    def test_the_head_is_no_ancestor_of_itself(self) -> None:
        linked = ancestor(chain(), 9)
        assert linked is not None
        wrong = replace(linked, header=chain().headers[-1])
        assert refusal(replace(proof().bundle, checkpoint=wrong)) == Reason.WRONG_HASH


def _wrong_claims() -> dict[str, Callable[[], UpdateProof | BalanceProof | ModelProof]]:
    update, balance, model = update_proof(chain(), 3), balance_proof(chain(), 1, 2), model_proof(chain())
    other = balance_proof(chain(), 1, 3)
    return {
        "update with more samples": lambda: replace(update, update=replace(update.update, samples=41)),
        "update of another place": lambda: replace(update, record=replace(update.record, index=1)),
        "update in another block": lambda: replace(update, at=ancestor(chain(), 2)),
        "update in the head": lambda: replace(update, at=None),
        "richer account": lambda: replace(
            balance,
            account=replace(balance.account, account=replace(balance.account.account, balance=1 << 40)),
        ),
        "account of another block": lambda: replace(balance, account=other.account),
        "state of another block": lambda: replace(balance, state=other.state, account=other.account),
        "leaves of another block": lambda: replace(balance, app=other.app),
        "another model": lambda: replace(model, app=replace(model.app, model_root=bytes(32))),
    }


@pytest.mark.parametrize("name", _wrong_claims())
def test_a_claim_that_its_header_does_not_make(name: str) -> None:
    assert refusal(with_claim(_wrong_claims()[name]())) == Reason.WRONG_HASH


def _signed(head: Header) -> Bundle:
    """A head as the validators would sign it if they were wrong."""
    return replace(proof().bundle, head=head, finality=finality(chain(), head), claims=())


def _caught_by() -> dict[str, Callable[[], tuple[Bundle, Anchor]]]:
    """For each predicate a file that it alone stops, or stops for the right reason."""
    bundle, anchor = proof().bundle, Anchor(chain().chain_id)
    linked, head = bundle.checkpoint, chain().headers[-1]
    assert linked is not None
    unlinked = replace(linked, siblings=linked.siblings[::-1])
    elsewhere = Anchor(checkpoint=Checkpoint(9, bytes(32)))
    return {
        "chain_is_the_anchors": lambda: (bundle, Anchor(bytes(32), checkpoint(9))),
        "head_names_the_set": lambda: (_signed(replace(head, validators=5)), anchor),
        "hops_lead_on": lambda: (
            replace(_signed(replace(head, epoch=1)), hops=(_unsigned_hop(head),)),
            anchor,
        ),
        "checkpoint_is_shown": lambda: (bundle, Anchor(chain().chain_id, checkpoint(5))),
        "checkpoint_is_of_this_chain": lambda: (bundle, elsewhere),
        "peaks_are_the_heads": lambda: (_signed(replace(head, height=20)), anchor),
        "ancestors_are_linked": lambda: (replace(bundle, checkpoint=unlinked), anchor),
        "claims_hold": lambda: (with_claim(_wrong_claims()["another model"]()), anchor),
        "signed_by_quorum": lambda: (replace(bundle, finality=Finality(12, Quorum(0, ()))), anchor),
        "checkpoint_agrees": lambda: (bundle, Anchor(chain().chain_id, Checkpoint(9, bytes(32)))),
    }


def _unsigned_hop(head: Header) -> Handoff:
    """Nobody made it final; seat 3 changes hands."""
    sets = SetProof(bytes(32), chain().validators, (SeatChange(3, bytes(range(32))),))
    return Handoff(replace(head, app_root=sets.app_root()), Finality(head.slot, Quorum(0, ())), sets)


@pytest.mark.parametrize("name", [predicate.__name__ for predicate in PREDICATES])
def test_no_predicate_can_be_left_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, anchor = _caught_by()[name]()
    file = replace(proof(), bundle=bundle)
    verdict = judged(file, anchor)
    assert not isinstance(verdict, Proven)
    rest = tuple(one for one in PREDICATES if one.__name__ != name)
    monkeypatch.setattr(proof_checks, "PREDICATES", rest)
    assert judged(file, anchor) != verdict


class TestBytes:
    def test_not_a_proof_file(self) -> None:
        with pytest.raises(DecodeError, match="not a proof file"):
            ProofFile.decode(chain().genesis.encode())

    def test_a_later_version(self) -> None:
        with pytest.raises(DecodeError, match="version 2"):
            ProofFile.decode(PROOF_MAGIC + b"\x02" + proof().encode()[9:])

    def test_oversize(self) -> None:
        with pytest.raises(DecodeError) as caught:
            ProofFile.decode(PROOF_MAGIC + bytes(PROOF_BYTES_MAX))
        assert caught.value.reason == Reason.OVERSIZE

    def test_hops_are_for_later(self) -> None:
        data = proof().encode()
        at = len(data) - len(proof().bundle.encode())
        with pytest.raises(DecodeError):
            ProofFile.decode(data[:at] + b"\x01" + data[at + 1 :])

    def test_every_truncation_is_refused(self) -> None:
        data = proof().encode()
        for length in range(len(data)):
            with pytest.raises(DecodeError):
                ProofFile.decode(data[:length])
        with pytest.raises(DecodeError):
            ProofFile.decode(data + b"\x00")

    @pytest.mark.slow
    @pytest.mark.parametrize("anchor", [Anchor(chain().chain_id), Anchor(checkpoint=checkpoint(9))])
    def test_every_flipped_byte_is_refused(self, anchor: Anchor) -> None:
        """No byte is without meaning: each is hashed, signed, or decides how the others are read."""
        data = proof().encode()
        assert judged(ProofFile.decode(data), anchor) == Proven(chain().chain_id, 3)
        for at in range(len(data)):
            broken = data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]
            try:
                verdict = judged(ProofFile.decode(broken), anchor)
            except DecodeError:
                continue
            assert isinstance(verdict, (Refused, NotLinked)), f"byte {at}: {verdict}"
