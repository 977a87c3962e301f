"""Lenient twins of what a device checks, one at a time. The vectors must notice every one of them.

`PREDICATES` is replaced as a whole, so that order and number of the others stay; functions that modules have
imported by name are replaced in each of these modules.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from unittest.mock import patch

from edge_client.core import anchors, handover, light_client, verify
from edge_client.core.trusted import verified_head
from edge_client.core.trusted_sets import TrustedSets
from edge_client.core.verify import Case, Conflict, Invalid, LightRules, NotEnoughTrust, Success
from edge_client.protocol import encoding, handoff, keys, light, merkle, mmr, proof_checks
from edge_client.protocol.body import RecordProof
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.handoff import Handoff, HandoffCase, SetProof, TrustedSet
from edge_client.protocol.header import Header
from edge_client.protocol.messages import GetHeaders
from edge_client.protocol.validators import ValidatorSet, signer_indices
from edge_client.protocol.votes import Finality, Quorum, Subject, finalize, notarize, nullify


@dataclass(frozen=True)
class Swap:
    """One name of one owner, and what stands there instead."""

    owner: Any
    name: str
    twin: Any


Mutant = tuple[Swap, ...]


def applied(mutant: Mutant) -> AbstractContextManager[ExitStack]:
    """The twins stand in as long as the `with` lasts."""
    stack = ExitStack()
    for swap in mutant:
        stack.enter_context(patch.object(swap.owner, swap.name, swap.twin))
    return stack


def _handoff_predicate(name: str, twin: Callable[[HandoffCase], None] | None = None) -> Mutant:
    """One question about handoffs is not asked, or another one."""
    held = [one.__name__ for one in handoff.PREDICATES]
    assert name in held, f"{name} is no predicate any more"
    changed = tuple((twin or _nothing) if one.__name__ == name else one for one in handoff.PREDICATES)
    return (Swap(handoff, "PREDICATES", changed),)


def _handover_predicate(name: str) -> Mutant:
    """One question about handoffs in a device's place and time is not asked."""
    asked = tuple(one for one in handover.PREDICATES if one.__name__ != name)
    assert len(asked) == len(handover.PREDICATES) - 1, f"{name} is no predicate any more"
    return (Swap(handover, "PREDICATES", asked),)


def _predicate(name: str, twin: Callable[[Case], Invalid | None]) -> Mutant:
    held = [one.__name__ for one in verify.PREDICATES]
    assert name in held, f"{name} is no predicate any more"
    changed = tuple(twin if one.__name__ == name else one for one in verify.PREDICATES)
    return (Swap(verify, "PREDICATES", changed),)


def _proof_predicate(name: str) -> Mutant:
    """One question about proof files is not asked."""
    asked = [one for one in proof_checks.PREDICATES if one.__name__ != name]
    assert len(asked) == len(proof_checks.PREDICATES) - 1, f"{name} is no predicate any more"
    return (Swap(proof_checks, "PREDICATES", tuple(asked)),)


def _both(name: str, twin: Any) -> Mutant:
    """A function of verify.py that light_client.py has imported, too."""
    return Swap(verify, name, twin), Swap(light_client, name, twin)


def _nothing(*_: object) -> None:
    return None


# --- place and time -----------------------------------------------------------------------------------------


def _height_as_text(case: Case) -> Invalid | None:
    if str(case.header.height) < str(case.tip.height):
        return Invalid(Reason.BELOW_STORED_HEIGHT, "as text")
    return None


def _time_must_grow(case: Case) -> Invalid | None:
    if case.header.height > case.tip.height and case.header.time_s <= case.tip.time_s:
        return Invalid(Reason.TIME, "not later")
    return None


def _without_drift(case: Case) -> Invalid | None:
    ahead_ms = (case.rules.t0_s + case.header.time_s) * 1000 - case.now_ms
    good = verify.clock_is_good(case.rules, case.tip, case.now_ms)
    return Invalid(Reason.TIME, "ahead") if ahead_ms > 0 and good else None


def _placed(case: Case, *, same: bool = True, gap: bool = True, history: bool = True) -> verify.Verdict:
    """`_place` with some of its questions left out."""
    height, tip = case.header.height, case.tip
    if same and height == tip.height:
        return Conflict("same height")
    if gap and height > tip.height + 1:
        return NotEnoughTrust(GetHeaders(tip.height + 1, height))
    if history and case.header.history_root != tip.peaks.root():
        return Conflict("history")
    return Success()


# --- sets and signatures ------------------------------------------------------------------------------------


def _epoch_only(trusted: TrustedSet, header: Header) -> Invalid | None:
    return None if header.epoch == trusted.epoch else Invalid(Reason.MALFORMED, "epoch")


def _next_set_fits(case: Case) -> Invalid | None:
    """Looks at the set that signs the next block."""
    fits = case.block.app.next_validators_root == case.trusted.validators.root()
    return None if fits else Invalid(Reason.WRONG_HASH, "next set")


@dataclass(frozen=True)
class Count:
    """`Quorum.verify` written again, with one question left out or answered too kindly."""

    enough: Callable[[int, int], bool] = lambda found, quorum: found >= quorum
    known_only: bool = True
    checked: Callable[[int], bool] = lambda _: True
    any_key: bool = False

    def twin(self) -> Callable[..., None]:
        """To stand in for the method."""

        def verify_quorum(
            held: Quorum, subject: Subject, chain_id: bytes, validators: ValidatorSet, check: keys.Verify
        ) -> None:
            if self.known_only and held.signers >> validators.count:
                raise ProtocolError(Reason.WRONG_SENDER, "outside")
            if not self.enough(len(held.signatures), validators.quorum):
                raise ProtocolError(Reason.TOO_FEW_SIGNATURES, "few")
            message = subject.signing_bytes(chain_id)
            for place, (who, signature) in enumerate(
                zip(signer_indices(held.signers), held.signatures, strict=False)
            ):
                tried = validators.keys if self.any_key else validators.keys[who : who + 1]
                good = any(check(key, message, signature) for key in tried) or who >= validators.count
                if self.checked(place) and not good:
                    raise ProtocolError(Reason.BAD_SIGNATURE, "bad")

        return verify_quorum


def _counted(**changes: Any) -> Mutant:
    return (Swap(Quorum, "verify", Count(**changes).twin()),)


def _quorum_of_any(*subjects: Callable[[Header, bytes], Subject], chains: bool = False) -> Mutant:
    """Signatures on other subjects, or for the chain id zero, count as well."""

    def quorum_signed(
        rules: LightRules, trusted: TrustedSet, header: Header, finality: Finality
    ) -> Invalid | None:
        fault = sound(rules, trusted, header, finality)
        for chain_id in [rules.chain_id, bytes(32)] if chains else [rules.chain_id]:
            for subject in (finalize, *subjects):
                try:
                    finality.quorum.verify(
                        subject(header, header.hash(chain_id)), chain_id, trusted.validators, rules.verify
                    )
                except ProtocolError:
                    continue
                return None
        return fault

    sound = verify.quorum_signed
    return _both("quorum_signed", quorum_signed)


def _any_slot(held: Finality, header: Header, chain_id: bytes, *rest: Any) -> None:
    held.certificate(header, chain_id).verify(chain_id, *rest)


def _own_slot(held: Finality, header: Header, chain_id: bytes, *rest: Any) -> None:
    replace(held, slot=header.slot).certificate(header, chain_id).verify(chain_id, *rest)


def _skipped(header: Header, _: bytes) -> Subject:
    return nullify(header.epoch, header.slot)


def _other_slot(header: Header, header_hash: bytes) -> Subject:
    return replace(finalize(header, header_hash), slot=header.slot + 1)


def _other_epoch(header: Header, header_hash: bytes) -> Subject:
    return replace(finalize(header, header_hash), epoch=header.epoch + 1)


# --- handoffs -----------------------------------------------------------------------------------------------


def _third(enough: Callable[[int, int], bool]) -> Mutant:
    """Another share of the trusted set, named seats counted as `enough` says."""

    def signed(case: HandoffCase) -> None:
        trusted = case.trusted.validators
        if not enough(len(case.handoff.signer_keys & frozenset(trusted.keys)), trusted.count):
            raise ProtocolError(Reason.TOO_FEW_SIGNATURES, "third")

    return _handoff_predicate("enough_of_the_trusted_signed", signed)


def _seats_signed(case: HandoffCase) -> None:
    """Counts seats by their index, whoever sits there."""
    count, seats = case.trusted.validators.count, case.handoff.finality.quorum.signers
    if 3 * (seats & ((1 << count) - 1)).bit_count() <= count:
        raise ProtocolError(Reason.TOO_FEW_SIGNATURES, "seats")


def _members_not_signers(case: HandoffCase) -> None:
    """Counts who has a seat, not who signed."""
    keys, trusted = frozenset(case.handoff.sets.signing.keys), case.trusted.validators
    if 3 * len(keys & frozenset(trusted.keys)) <= trusted.count:
        raise ProtocolError(Reason.TOO_FEW_SIGNATURES, "members")


def _next_vouches(case: HandoffCase) -> None:
    """Asks the set after the handoff (h + 1) in place of the one that signed it (h)."""
    keys, trusted = frozenset(case.handoff.sets.next.keys), case.trusted.validators
    if 3 * len(keys & frozenset(trusted.keys)) <= trusted.count:
        raise ProtocolError(Reason.TOO_FEW_SIGNATURES, "next")


def _seats_exist(sets: SetProof) -> None:
    """Each change is of some seat, and that is all."""
    if any(change.index >= sets.signing.count for change in sets.changes):
        raise DecodeError("seat")


def _adopt_the_last_set(sets: TrustedSets, handoff: Handoff) -> None:
    """The set of h stands in for that of h + 1."""
    _ADOPT(sets, replace(handoff, sets=replace(handoff.sets, changes=())))


_ADOPT = TrustedSets.adopt


def _age_of_the_head(rules: LightRules, tip: Any, now_ms: int) -> bool:
    """One millisecond too long."""
    return rules.trusting_ms > 0 and now_ms - verify.chain_ms(rules, tip.time_s) > rules.trusting_ms


# --- runs ---------------------------------------------------------------------------------------------------


def _link_anyhow(
    chain_id: bytes, peaks: mmr.Peaks, linked: tuple[bytes, ...]
) -> tuple[list[Header], mmr.Peaks]:
    headers = []
    for data in linked:
        headers.append(Header.decode_linked(data, peaks.root()))
        peaks = peaks.append(headers[-1].hash(chain_id))
    return headers, peaks


def _times_fit(client: light_client.LightClient, headers: list[Header]) -> bool:
    times = [client.tip.time_s, *(one.time_s for one in headers)]
    return times == sorted(times)


def _sizes_fit(client: light_client.LightClient, headers: list[Header]) -> bool:
    return all(one.validators == client.signing.validators.count for one in headers)


def _epochs_fit(client: light_client.LightClient, headers: list[Header]) -> bool:
    epochs = [client.signing.epoch, *(one.epoch for one in headers)]
    return all(0 <= after - before <= 1 for before, after in pairwise(epochs))


def _inner_times_fit(_: light_client.LightClient, headers: list[Header]) -> bool:
    """Not compared with the tip."""
    times = [one.time_s for one in headers]
    return times == sorted(times)


RunRule = Callable[[light_client.LightClient, list[Header]], bool]


def _run_by(*rules: tuple[RunRule, Reason]) -> Mutant:
    """Runs are looked at by these rules only."""

    def fits(client: light_client.LightClient, headers: list[Header]) -> Invalid | None:
        broken = (reason for rule, reason in rules if not rule(client, headers))
        return next((Invalid(reason, "run") for reason in broken), None)

    return (Swap(light_client.LightClient, "_run_fits", fits),)


BY_TIME, BY_SIZE, BY_EPOCH = (
    (_times_fit, Reason.TIME),
    (_sizes_fit, Reason.MALFORMED),
    (_epochs_fit, Reason.MALFORMED),
)


def _take_any_run(
    client: light_client.LightClient, run: light.HeaderRun, now_ms: int
) -> light_client.Progress:
    """Takes the run for the way to the target, whatever header it has at that height."""
    progress, target = _TAKE_RUN(client, run, now_ms), client._target
    if not isinstance(progress, Conflict) or target is None:
        return progress
    headers, _ = light.link(client._rules.chain_id, client.tip.peaks, run.linked)
    client._target = replace(target, header=headers[target.header.height - run.first_height])
    return _TAKE_RUN(client, run, now_ms)


_TAKE_RUN = light_client.LightClient.take_run


def _reach_unseen(client: light_client.LightClient, case: Case, header_hash: bytes) -> light_client.Progress:
    client.head = verified_head(case.block, header_hash)
    return light_client.Advanced((), client.tip, client.head, client.signing)


def _aim_higher(
    client: light_client.LightClient, block: light.LightBlock, verdict: NotEnoughTrust
) -> light_client.Progress:
    """Does not look whether another header was final at that height."""
    if client._target is None or client._target.header.height < block.header.height:
        client._target = block
    return verdict


# --- proofs and bytes ---------------------------------------------------------------------------------------


def _path_any_index(leaf: bytes, index: int, count: int, siblings: tuple[bytes, ...]) -> bytes | None:
    return _ROOT_FROM_PATH(leaf, min(index, count - 1), count, siblings)


def _path_spare_siblings(leaf: bytes, index: int, count: int, siblings: tuple[bytes, ...]) -> bytes | None:
    """Uses as many as it needs."""
    found = (_ROOT_FROM_PATH(leaf, index, count, siblings[:used]) for used in range(len(siblings) + 1))
    return next((one for one in found if one is not None), None)


def _path_by_mountain(proof: mmr.MmrProof, leaf: bytes, **lenient: bool) -> bytes | None:
    """`MmrProof.root_for` written again with one question left out."""
    mountain = mmr.mountain_of(proof.peaks.size, min(proof.index, proof.peaks.size - 1))
    if mountain is None or (proof.index >= proof.peaks.size and not lenient.get("index")):
        return None
    which, start, height = mountain
    if len(proof.siblings) != height and not lenient.get("length"):
        return None
    node, at = leaf, min(proof.index, proof.peaks.size - 1) - start
    reached = [node]
    for sibling in proof.siblings:
        node = mmr.parent_hash(sibling, node) if at & 1 else mmr.parent_hash(node, sibling)
        at >>= 1
        reached.append(node)
    ends = proof.peaks.hashes if lenient.get("mountain") else proof.peaks.hashes[which : which + 1]
    held = reached if lenient.get("length") else [node]
    good = lenient.get("peak") or any(one in ends for one in held)
    return proof.peaks.root() if good else None


def _mountain(**lenient: bool) -> Mutant:
    return (Swap(mmr.MmrProof, "root_for", lambda proof, leaf: _path_by_mountain(proof, leaf, **lenient)),)


_ROOT_FROM_PATH = merkle.root_from_path


def _no_check(kind: type[encoding.Fixed]) -> Mutant:
    return (Swap(kind, "check", _nothing),)


def _short_take(reader: encoding.Reader, size_bytes: int) -> bytes:
    """Fills up with zeros what is missing."""
    end = reader._at + size_bytes
    chunk = reader._data[reader._at : end].ljust(size_bytes, b"\0")
    reader._at = min(end, len(reader._data))
    return chunk


def _any_inclusion(held: anchors.Anchors, _height: int, proof: Any, head: Any) -> bool:
    return proof.body_root_for(head) in held._body_roots.values()


def _record_root_alone(proof: RecordProof, record: Any) -> bytes | None:
    """The root of any body of which the leaf's path is well formed."""
    return _BODY_ROOT_FOR(replace(proof, index=min(proof.index, proof.count - 1)), record)


_BODY_ROOT_FOR = RecordProof.body_root_for

MUTANTS: dict[str, Mutant] = {
    "old heights taken": _predicate("not_below_tip", _nothing),
    "heights compared as text": _predicate("not_below_tip", _height_as_text),
    "time before the tip taken": _predicate("time_not_before_tip", _nothing),
    "time must grow": _predicate("time_not_before_tip", _time_must_grow),
    "future taken": _predicate("time_not_in_future", _nothing),
    "no drift allowed": _predicate("time_not_in_future", _without_drift),
    "twice the drift allowed": (Swap(verify, "CLOCK_DRIFT_MS", 2 * verify.CLOCK_DRIFT_MS),),
    "every clock is good": (Swap(verify, "clock_is_good", lambda *_: True),),
    "no clock is good": (Swap(verify, "clock_is_good", lambda *_: False),),
    "app leaves not hashed": _predicate("app_leaves_fit", _nothing),
    "state leaves not hashed": _predicate("state_leaves_fit", _nothing),
    "learning not hashed": _predicate("learning_fits", _nothing),
    "sets not compared": _predicate("validators_fit", _nothing),
    "the next set compared": _predicate("validators_fit", _next_set_fits),
    "no fit of epoch and size": _predicate("epoch_and_size_fit", _nothing),
    "any set size": (Swap(verify, "set_fits", _epoch_only),),
    "no signatures needed": _predicate("signed_by_quorum", _nothing),
    "second header of a height taken": (
        Swap(verify, "_place", lambda c: _placed(c, same=False, history=False)),
    ),
    "gap in heights taken": (Swap(verify, "_place", lambda c: _placed(c, gap=False, history=False)),),
    "history not compared": (Swap(verify, "_place", lambda c: _placed(c, history=False)),),
    "quorum: exactly two thirds": (Swap(ValidatorSet, "quorum", property(lambda s: -(-2 * s.count // 3))),),
    "quorum: a third and one": (Swap(ValidatorSet, "quorum", property(lambda s: s.count // 3 + 1)),),
    "quorum: nobody is enough": _counted(enough=lambda found, quorum: not found or found >= quorum),
    "quorum: one too few": _counted(enough=lambda found, quorum: found >= quorum - 1),
    "quorum: must be exact": _counted(enough=lambda found, quorum: found == quorum),
    "signers outside the set count": _counted(known_only=False),
    "signatures not checked": _counted(checked=lambda _: False),
    "only the first signature checked": _counted(checked=lambda place: place == 0),
    "the first signature not checked": _counted(checked=lambda place: place > 0),
    "the last of a quorum not checked": _counted(checked=lambda place: place != 2),
    "signatures beyond a quorum not checked": _counted(checked=lambda place: place < 3),
    "any member's signature counts under any name": _counted(any_key=True),
    "N votes finalise": _quorum_of_any(notarize),
    "Z votes finalise": _quorum_of_any(_skipped),
    "votes of another slot finalise": _quorum_of_any(_other_slot),
    "votes before the block was proposed finalise": (Swap(Finality, "verify", _any_slot),),
    "the slot of the votes is not looked at": (Swap(Finality, "verify", _own_slot),),
    "votes of another epoch finalise": _quorum_of_any(_other_epoch),
    "chain zero is every chain": _quorum_of_any(chains=True),
    "run: no certificate needed": (Swap(light_client, "quorum_signed", _nothing),),
    "run: heights not compared": (Swap(light_client, "link", _link_anyhow),),
    "run: sizes of sets not compared": _run_by(BY_TIME, BY_EPOCH),
    "run: epochs not compared": _run_by(BY_TIME, BY_SIZE),
    "run: times not compared": _run_by(BY_SIZE, BY_EPOCH),
    "run: not compared with the tip": _run_by((_inner_times_fit, Reason.TIME), BY_SIZE, BY_EPOCH),
    "run: not compared with the head": (Swap(light_client.LightClient, "take_run", _take_any_run),),
    "leaves of a linked header not checked": (Swap(light_client.LightClient, "_reach", _reach_unseen),),
    "two heads further on": (Swap(light_client.LightClient, "_aim", _aim_higher),),
    "checkpoint not compared": (Swap(light_client.LightClient, "_contradicts", lambda *_: False),),
    "handoff: an old one taken": _handoff_predicate("epoch_is_not_past"),
    "handoff: another set of the trusted epoch": _handoff_predicate("set_is_the_trusted_one"),
    "handoff: nobody trusted signed": _handoff_predicate("enough_of_the_trusted_signed"),
    "handoff: exactly a third": _third(lambda found, count: 3 * found >= count),
    "handoff: one is enough": _third(lambda found, _: found >= 1),
    "handoff: it takes two thirds": _third(lambda found, count: 3 * found > 2 * count),
    "handoff: seats counted for keys": _handoff_predicate("enough_of_the_trusted_signed", _seats_signed),
    "handoff: members counted for signers": _handoff_predicate(
        "enough_of_the_trusted_signed", _members_not_signers
    ),
    "handoff: the next set vouches": _handoff_predicate("enough_of_the_trusted_signed", _next_vouches),
    "handoff: sets not committed to": _handoff_predicate("sets_are_the_headers"),
    "handoff: no signatures needed": _handoff_predicate("signed_by_own_quorum"),
    "handoff: before the tip": _handover_predicate("handoff_is_not_before_the_tip"),
    "handoff: from the future": _handover_predicate("handoff_is_not_from_the_future"),
    "handoff: hops by any clock": _handover_predicate("hops_only_by_a_good_clock"),
    "handoff: two ends of an epoch": (Swap(handover, "_place", _nothing),),
    "handoff: seats changed anyhow": (Swap(SetProof, "check", _seats_exist),),
    "handoff: the set that signed goes on": (Swap(TrustedSets, "adopt", _adopt_the_last_set),),
    "handoff: boundaries not compared": (Swap(TrustedSets, "contradicts", lambda *_: False),),
    "trust never ends": _both("trust_has_expired", lambda *_: False),
    "trust ends at once": _both("trust_has_expired", lambda *_: True),
    "trust ends a moment late": _both("trust_has_expired", _age_of_the_head),
    "blocks of unknown validators believed": (
        Swap(TrustedSets, "of", lambda sets, epoch: sets._sets.setdefault(epoch, sets.latest.validators)),
    ),
    "any block is waited for": (Swap(light_client, "cheap_fault", _nothing),),
    "account number beyond the end": (Swap(merkle, "root_from_path", _path_any_index),),
    "spare siblings": (Swap(merkle, "root_from_path", _path_spare_siblings),),
    "update in any block": (Swap(anchors.Anchors, "includes", _any_inclusion),),
    "record number beyond the end": (Swap(RecordProof, "body_root_for", _record_root_alone),),
    "history: any leaf": _mountain(peak=True),
    "history: number beyond the end": _mountain(index=True),
    "history: siblings not counted": _mountain(length=True),
    "proof of any chain": _proof_predicate("chain_is_the_anchors"),
    "proof under a head of any set": _proof_predicate("head_names_the_set"),
    "proof under any peaks": _proof_predicate("peaks_are_the_heads"),
    "proof with loose headers": _proof_predicate("ancestors_are_linked"),
    "proof of whatever it claims": _proof_predicate("claims_hold"),
    "proof without the checkpoint": _proof_predicate("checkpoint_is_shown"),
    "proof against the checkpoint": _proof_predicate("checkpoint_agrees"),
    "proof over hops nobody vouched for": _proof_predicate("hops_lead_on"),
    "proof without signatures": _proof_predicate("signed_by_quorum"),
    "bytes: more than one block": (Swap(encoding.Reader, "finish", _nothing),),
    "bytes: missing ones are zero": (Swap(encoding.Reader, "take", _short_take),),
    "bytes: any header": _no_check(Header),
}
"""What each no longer asks, or asks wrongly, is its name."""
