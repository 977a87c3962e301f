"""Cases of single light blocks: place, time, chain, quorum, leaves, bytes. Written by `tests.light_cases`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edge_client.core.verify import CLOCK_DRIFT_MS
from edge_client.protocol.keys import Signer
from edge_client.protocol.votes import Quorum, finalize, notarize, nullify
from tests.builders import T0_S, ChainMaker, make_signers
from tests.light_forge import (
    HEIGHTS,
    Json,
    Start,
    block,
    case,
    chain,
    final,
    finality,
    learning_of,
    signed,
    subject_of,
    under,
    with_app,
    with_header,
)

NEXT = 4
ALIEN = b"\x5a" * 32
REFUSED_HASH, REFUSED_SIGNATURE = "invalid: wrong-hash", "invalid: bad-signature"
MALFORMED, TOO_FEW, TIME = "invalid: malformed", "invalid: too-few-signatures", "invalid: time"
ADVANCED = "advanced to 4"


def block_cases() -> dict[str, Json]:
    """Every case by name."""
    parts: tuple[Callable[[], dict[str, Json]], ...] = (
        _place,
        _time,
        _chain,
        _headers,
        _quorum,
        _wrong_signers,
        _bad_signatures,
        _leaves,
        _header_bytes,
        _bytes,
    )
    return {name: made for part in parts for name, made in part().items()}


def _place() -> dict[str, Json]:
    made = chain()
    start, other = Start(made), with_header(made, 3, body_root=ALIEN)
    every = [block(made.light_block(h), f"advanced to {h}") for h in range(1, HEIGHTS + 1)]
    return {
        "first_block": case(
            Start(made, 0), "genesis is trusted as it is", block(made.light_block(1), "advanced to 1")
        ),
        "whole_chain_block_by_block": case(Start(made, 0), "sequential verification", *every),
        "height_nine_to_ten": case(
            Start(made, 9),
            "a client that compares heights as text refuses this",
            block(made.light_block(10), "advanced to 10"),
            block(made.light_block(9), "invalid: below-stored-height"),
        ),
        "same_head_again": case(start, "retained messages come again", block(made.light_block(3), "known")),
        "same_head_under_another_certificate": case(
            start, "which quorum signed does not matter", block(made.light_block(3, (1, 2, 3)), "known")
        ),
        "below_the_tip": case(
            start,
            "an MQTT server may replay old heads",
            block(made.light_block(2), "invalid: below-stored-height"),
        ),
        "another_header_of_the_same_height": case(start, "more than a third lied", block(other, "conflict")),
        "another_history": case(
            start,
            "final, but it does not follow what is trusted: more than a third lied",
            block(with_header(made, NEXT, history_root=ALIEN), "conflict"),
        ),
        "next_but_one": case(
            start, "cannot be linked without what lies between", block(made.light_block(5), "headers 4 to 5")
        ),
        "far_ahead_and_badly_signed": case(
            start,
            "nothing is asked for because of a block that is not final",
            block(made.light_block(9, (0, 1)), TOO_FEW),
            block(made.light_block(NEXT), ADVANCED),
        ),
    }


def _time() -> dict[str, Json]:
    made = chain()
    start, tip_s = Start(made), made.headers[2].time_s
    next_ms = (T0_S + made.headers[3].time_s) * 1000
    far = with_header(made, NEXT, time_s=tip_s + 1000)
    far_ms = (T0_S + tip_s + 1000) * 1000
    edge_ms = (T0_S + tip_s) * 1000 - CLOCK_DRIFT_MS
    return {
        "time_equal_to_the_tip": case(
            start,
            "chain time never decreases, but may stand",
            block(with_header(made, NEXT, time_s=tip_s), ADVANCED),
        ),
        "time_before_the_tip": case(
            start, "chain time never decreases", block(with_header(made, NEXT, time_s=tip_s - 1), TIME)
        ),
        "time_is_now": case(start, "no drift at all", block(made.light_block(NEXT), ADVANCED, next_ms)),
        "ahead_within_the_drift": case(
            start, "clocks differ", block(made.light_block(NEXT), ADVANCED, next_ms - CLOCK_DRIFT_MS)
        ),
        "ahead_at_the_drift": case(
            start, "the last millisecond that passes", block(far, ADVANCED, far_ms - CLOCK_DRIFT_MS)
        ),
        "ahead_beyond_the_drift": case(
            start, "the first millisecond that does not", block(far, TIME, far_ms - CLOCK_DRIFT_MS - 1)
        ),
        "board_without_a_clock": case(
            start, "a clock far behind the chain says nothing", block(made.light_block(NEXT), ADVANCED, 0)
        ),
        "clock_just_good_enough": case(
            start, "a clock that is not behind the tip counts", block(far, TIME, edge_ms)
        ),
        "clock_just_too_far_behind": case(
            start, "one millisecond more and it says nothing", block(far, ADVANCED, edge_ms - 1)
        ),
    }


def _chain() -> dict[str, Json]:
    """Everything here is well signed, but not for finalising this header of this chain."""
    made, start = chain(), Start(chain())
    honest, other = made.light_block(NEXT), chain(t0_s=T0_S + 1)
    subject = subject_of(made, honest.header)
    shown = {
        "block_of_another_chain": ("same validators, another genesis", final(other, honest).finality.quorum),
        "signed_for_chain_zero": (
            "no chain id stands for all chains",
            signed(made, finalize(honest.header, honest.header.hash(bytes(32))), range(3), bytes(32)),
        ),
        "votes_to_notarise": (
            "N votes finalise nothing",
            signed(made, notarize(honest.header, subject.hash), range(3)),
        ),
        "votes_to_nullify": (
            "nil votes counted once (tendermint-rs 282)",
            signed(made, nullify(0, NEXT), range(3)),
        ),
        "votes_of_another_slot": ("a vote is for one slot", signed(made, replace(subject, slot=5), range(3))),
        "votes_of_another_epoch": (
            "a vote is for one epoch",
            signed(made, replace(subject, epoch=1), range(3)),
        ),
        "certificate_of_the_block_before": ("a vote is for one header", made.light_block(3).finality.quorum),
    }
    return {
        name: case(start, why, block(under(honest, quorum), REFUSED_SIGNATURE))
        for name, (why, quorum) in shown.items()
    } | _proposed_again()


def _proposed_again() -> dict[str, Json]:
    """A block may become final in a later slot than the one it was first proposed in."""
    made, start = chain(), Start(chain())
    honest = made.light_block(NEXT)
    later, earlier = (
        replace(honest, finality=finality(made, honest.header, slot)) for slot in (NEXT + 9, NEXT - 1)
    )
    unsaid = replace(later, finality=replace(later.finality, slot=NEXT))
    return {
        "final_in_a_later_slot": case(start, "proposed again", block(later, ADVANCED)),
        "final_before_it_was_proposed": case(start, "no block is", block(earlier, MALFORMED)),
        "final_in_another_slot_than_it_says": case(
            start, "a vote is for one slot", block(unsaid, REFUSED_SIGNATURE)
        ),
    }


def _headers() -> dict[str, Json]:
    made, start = chain(), Start(chain())
    honest = made.light_block(NEXT)
    changed = replace(honest, header=replace(honest.header, body_root=ALIEN))
    return {
        "next_block": case(start, "the valid block that others vary", block(honest, ADVANCED)),
        "header_changed_under_its_signatures": case(
            start, "the hash covers everything", block(changed, REFUSED_SIGNATURE)
        ),
        "another_epoch": case(
            start,
            "the set of another epoch decides there, and it is not known",
            block(with_header(made, NEXT, epoch=1), "handoffs 0 to 0"),
        ),
        "another_number_of_validators": case(
            start,
            "the header names the size of its set",
            block(with_header(made, NEXT, validators=7), MALFORMED),
        ),
    }


def _quorum() -> dict[str, Json]:
    four, six, one = chain(), chain(6), chain(1)
    found = {
        "all_four_signed": case(
            Start(four), "more than a quorum is fine", block(four.light_block(NEXT, range(4)), ADVANCED)
        ),
        "two_of_four_signed": case(Start(four), "a half", block(four.light_block(NEXT, (0, 3)), TOO_FEW)),
        "one_of_four_signed": case(
            Start(four), "f honest or not", block(four.light_block(NEXT, (2,)), TOO_FEW)
        ),
        "nobody_signed": case(
            Start(four),
            "an all-absent commit was valid once (tendermint-rs 652)",
            block(under(four.light_block(NEXT), Quorum(0, ())), TOO_FEW),
        ),
        "exactly_two_thirds_signed": case(
            Start(six),
            "it takes more than two thirds (js-tendermint took two)",
            block(six.light_block(NEXT, range(4)), TOO_FEW),
        ),
        "more_than_two_thirds_signed": case(
            Start(six), "five of six", block(six.light_block(NEXT, range(5)), ADVANCED)
        ),
        "one_validator_alone": case(Start(one), "the smallest set", block(one.light_block(NEXT), ADVANCED)),
    }
    for absent in range(4):
        signers = [who for who in range(4) if who != absent]
        found[f"three_signed_without_{absent}"] = case(
            Start(four), "any quorum will do", block(four.light_block(NEXT, signers), ADVANCED)
        )
    return found


def _genuine(made: ChainMaker, signers: Sequence[Signer]) -> list[bytes]:
    message = subject_of(made, made.headers[NEXT - 1]).signing_bytes(made.chain_id)
    return [one.sign(message) for one in signers]


def _refused(why: str, signers: int, signatures: Sequence[bytes], verdict: str = REFUSED_SIGNATURE) -> Json:
    """The next block under these signatures."""
    shown = under(chain().light_block(NEXT), Quorum(signers, tuple(signatures)))
    return case(Start(chain()), why, block(shown, verdict))


def _wrong_signers() -> dict[str, Json]:
    a, b, c, _ = genuine = _genuine(chain(), chain().signers)
    strangers = _genuine(chain(), make_signers(3, "stranger"))
    outside = "invalid: wrong-sender"
    return {
        "one_vote_three_times": _refused("a vote counted thrice (tendermint-rs 335)", 0b0111, [a, a, a]),
        "two_voters_three_votes": _refused("addresses that collide count twice", 0b0111, [a, b, b]),
        "signatures_in_another_order": _refused("each belongs to one key", 0b0111, [b, a, c]),
        "signers_named_wrongly": _refused("votes of others under three names", 0b1110, [a, b, c]),
        "strangers_signed": _refused("good signatures of keys outside the set", 0b0111, strangers),
        "two_members_and_a_stranger_outside": _refused(
            "signer 4 of four", 0b10011, [a, b, strangers[0]], outside
        ),
        "a_quorum_and_a_stranger_outside": _refused(
            "even beside enough votes", 0b10111, [a, b, c, strangers[0]], outside
        ),
        "signature_beyond_the_bitmap": _refused(
            "nobody can be named twice, so a further signature is nobody's", 0b0111, [a, b, c, c], MALFORMED
        ),
        "signer_without_a_signature": _refused(
            "every name needs its signature", 0b1111, genuine[:3], MALFORMED
        ),
    }


def _bad_signatures() -> dict[str, Json]:
    genuine = _genuine(chain(), chain().signers)
    found = {}
    for count, among in ((4, "four"), (3, "three")):
        for at in range(count):
            broken = [bytes(64) if place == at else one for place, one in enumerate(genuine[:count])]
            found[f"bad_signature_at_{at}_of_{among}"] = _refused(
                "every signature that is there must hold", (1 << count) - 1, broken
            )
    return found


def _leaves() -> dict[str, Json]:
    made, start = chain(), Start(chain())
    honest = made.light_block(NEXT)
    found = {}
    for leaf in ("model_root", "state_root", "validators_root", "next_validators_root"):
        shown = replace(honest, app=replace(honest.app, **{leaf: ALIEN}))
        found[f"app_leaf_{leaf}"] = case(start, "not what app_root says", block(shown, REFUSED_HASH))
    for leaf in ("accounts_root", "params_hash", "learning_root"):
        shown = replace(honest, state=replace(honest.state, **{leaf: ALIEN}))
        found[f"state_leaf_{leaf}"] = case(start, "not what state_root says", block(shown, REFUSED_HASH))
    for field in ("round", "opened_height", "opened_at_s", "updates", "theta"):
        value = 1 + getattr(honest.learning, field) % 1000
        shown = replace(honest, learning=learning_of(made, NEXT, **{field: value}))
        found[f"learning_{field}"] = case(start, "not what learning_root says", block(shown, REFUSED_HASH))
    for field in ("seed", "bases_root", "best_root", "optimizer_root", "downlink_root"):
        shown = replace(honest, learning=learning_of(made, NEXT, **{field: ALIEN}))
        found[f"learning_{field}"] = case(start, "not what learning_root says", block(shown, REFUSED_HASH))
    found["signed_validators_root"] = case(
        start,
        "a quorum may not name another set of its own epoch",
        block(with_app(made, NEXT, validators_root=ALIEN), REFUSED_HASH),
    )
    found["signed_next_validators_root"] = case(
        start,
        "it may name another next one: the epoch ends",
        block(with_app(made, NEXT, next_validators_root=ALIEN), ADVANCED),
    )
    return found


def _header_bytes() -> dict[str, Json]:
    made, start = chain(), Start(chain())
    changes = {
        "version": {"version": 2},
        "flags": {"flags": 1},
        "height_zero": {"height": 0},
        "slot_zero": {"slot": 0},
        "proposer_outside_the_set": {"proposer": 4},
        "no_validators": {"validators": 0},
        "seventeen_validators": {"validators": 17},
    }
    return {
        f"header_with_{name}": case(
            start, "no such header exists", block(with_header(made, NEXT, **changed), MALFORMED)
        )
        for name, changed in changes.items()
    }


def _bytes() -> dict[str, Json]:
    made, start = chain(), Start(chain())
    data = made.light_block(NEXT).encode()
    shown = {
        "nothing": b"",
        "one_byte_too_few": data[:-1],
        "one_byte_too_many": data + b"\x00",
        "one_block_twice": data + data,
        "cut_in_the_header": data[:100],
        "cut_before_the_certificate": data[: -(2 + 3 * 64)],
        "bits_above_the_sixteenth_validator": data[: -(2 + 3 * 64)] + b"\x80\x03" + data[-3 * 64 :],
    }
    verdicts = {"bits_above_the_sixteenth_validator": "invalid: wrong-sender"}
    return {
        f"bytes_{name}": case(start, "one encoding a block", block(data, verdicts.get(name, MALFORMED)))
        for name, data in shown.items()
    }
