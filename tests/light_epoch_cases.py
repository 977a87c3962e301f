"""Cases of validator sets that change: handoffs, hops, runs over boundaries, trusting period, bad clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from edge_client.core.verify import CLOCK_DRIFT_MS, DAY_MS, TRUSTING_PERIOD_D
from edge_client.protocol.handoff import Handoff, SeatChange, SetProof, encode_handoffs
from edge_client.protocol.header import Header
from edge_client.protocol.keys import Signer
from edge_client.protocol.light import LightBlock
from edge_client.protocol.votes import Finality, Quorum, finalize
from tests.builders import T0_S
from tests.light_block_cases import ALIEN, MALFORMED, REFUSED_HASH, REFUSED_SIGNATURE, TIME, TOO_FEW
from tests.light_epochs import EpochChain, newcomer, rotating, set_of
from tests.light_forge import NOW_MS, Json, block, run

TRUSTED = 2
"""Height most cases start at; epoch 0 ends with block 3."""
PERIOD_MS = TRUSTING_PERIOD_D * DAY_MS


def epoch_cases() -> dict[str, Json]:
    """Every case by name."""
    parts: tuple[Callable[[], dict[str, Json]], ...] = (
        _followed,
        _thirds,
        _refused,
        _shapes,
        _waiting,
        _places,
        _times,
        _trust,
    )
    return {name: made for part in parts for name, made in part().items()}


def case(why: str, *steps: Json, chain: EpochChain | None = None, height: int = TRUSTED) -> Json:
    """A vector that starts with the block of `height` believed."""
    made = chain or rotating()
    trusted: Json = {"block": None, "peaks": None, "validators": None}
    if height:
        trusted = {
            "block": made.light_block(height).encode().hex(),
            "peaks": made.peaks(height).encode().hex(),
            "validators": set_of(made.blocks[height - 1].signers).encode().hex(),
        }
    start = {"genesis": made.genesis.encode().hex(), "trusted": trusted, "checkpoint": None}
    return {"meta": {"why": why}, **start, "steps": list(steps)}


def shown(handoffs: Handoff | Sequence[Handoff] | bytes, verdict: str, now_ms: int = NOW_MS) -> Json:
    """A step that shows handoffs."""
    if isinstance(handoffs, Handoff):
        handoffs = (handoffs,)
    data = handoffs if isinstance(handoffs, bytes) else encode_handoffs(handoffs)
    return {"handoffs": data.hex(), "now_ms": now_ms, "verdict": verdict}


def chain_ms(height: int) -> int:
    """When that block was made."""
    return (T0_S + 10 * height) * 1000


def sealed(header: Header, sets: SetProof, signers: Sequence[Signer], seats: Iterable[int]) -> Handoff:
    """A handoff of whatever header and sets, signed by these seats of whatever signers."""
    made = rotating()
    changed = replace(header, app_root=sets.app_root())
    subject = finalize(changed, changed.hash(made.chain_id))
    message = subject.signing_bytes(made.chain_id)
    quorum = Quorum.of({one: signers[one].sign(message) for one in seats})
    return Handoff(changed, Finality(subject.slot, quorum), sets)


def _followed() -> dict[str, Json]:
    made = rotating()
    hops = [made.handoff(1), made.handoff(3, (1, 2, 3)), made.handoff(5, (0, 1, 3))]
    late = made.finality(3, slot=made.header(3).slot + 2)
    handed = (
        block(made.light_block(4), "handoffs 0 to 0"),
        shown(made.handoff(0), "validators of epoch 1"),
        block(made.light_block(4), "advanced to 4"),
    )
    return {
        "epoch_ends": case("the next epoch's blocks are signed by the next set", *handed, height=3),
        "epoch_ends_at_the_first_block_that_is_missing": case(
            "headers lead over the boundary once the set is known",
            block(made.light_block(5), "handoffs 0 to 0"),
            shown(made.handoff(0), "validators of epoch 1"),
            block(made.light_block(5), "headers 3 to 5"),
            run(made.header_run(3, 5), "advanced to 5"),
        ),
        "six_epochs_in_three_hops": case(
            "each hop is vouched for by more than a third of the set before",
            block(made.light_block(), "handoffs 0 to 5"),
            shown(hops, "validators of epoch 6"),
            block(made.light_block(), "headers 3 to 21"),
            run(made.header_run(3, 21), "advanced to 21"),
        ),
        "six_epochs_one_by_one": case(
            "each set vouches for the next",
            shown(made.handoffs(), "validators of epoch 6"),
            shown(made.handoff(3), "known"),
        ),
        "epochs_from_genesis": case(
            "the same on the first day", shown(made.handoffs(), "validators of epoch 6"), height=0
        ),
        "handoff_final_in_a_later_slot": case(
            "a block may be proposed again before it is final",
            shown(replace(made.handoff(0), finality=late), "validators of epoch 1"),
        ),
        "run_that_ends_under_validators_nobody_showed": case(
            "a hop leaves sets out; they are asked for when a run needs them",
            shown([made.handoff(1), made.handoff(4, (0, 1, 3))], "validators of epoch 5"),
            block(made.light_block(17), "headers 3 to 17"),
            run(made.header_run(3, 11), "handoffs 2 to 2"),
            shown(made.handoff(2), "validators of epoch 5"),
            run(made.header_run(3, 11), "advanced to 11, head 2"),
        ),
    }


def _thirds() -> dict[str, Json]:
    six = EpochChain(6).add().end_epoch({seat: newcomer(seat) for seat in range(3)})
    six.add().end_epoch({5: newcomer(9)})
    back = EpochChain(4).add()
    first = back.signers
    back.add().end_epoch({seat: newcomer(seat) for seat in range(3)})
    back.add().end_epoch({seat: first[seat] for seat in range(3)})
    made = rotating()
    return {
        "hop_signed_by_exactly_a_third": case(
            "2 of 6 trusted validators may all be faulty",
            shown(six.handoff(1, range(5)), TOO_FEW),
            chain=six,
            height=1,
        ),
        "hop_signed_by_more_than_a_third": case(
            "3 of 6 are enough", shown(six.handoff(1, range(6)), "validators of epoch 2"), chain=six, height=1
        ),
        "hop_signed_by_exactly_two_thirds_of_its_own": case(
            "it takes more than two thirds of the set that ends its epoch",
            shown(six.handoff(0, (0, 1, 2, 3)), TOO_FEW),
            chain=six,
            height=1,
        ),
        "hop_signed_on_seats_that_changed_hands": case(
            "keys count, not seats: one of the three signers is known",
            shown(made.handoff(2, (0, 1, 2)), TOO_FEW),
        ),
        "hop_signed_by_nobody_who_is_known": case(
            "that the next set is ours again vouches for nothing",
            shown(back.handoff(1, (0, 1, 2)), TOO_FEW),
            chain=back,
            height=1,
        ),
    }


def _refused() -> dict[str, Json]:
    made = rotating()
    good, header = made.handoff(0), made.header(3)
    old, strangers = made.blocks[2].signers, tuple(newcomer(40 + one) for one in range(4))
    mixed = (*old[:2], *strangers[:2])
    other_sets = SetProof(good.sets.left, set_of(mixed), (SeatChange(3, newcomer(50).public_key),))
    alien_sets = SetProof(good.sets.left, set_of(strangers), (SeatChange(3, newcomer(50).public_key),))
    forged = {
        "of_a_set_that_is_not_the_trusted_one": (sealed(header, other_sets, mixed, (0, 1, 2)), REFUSED_HASH),
        "of_strangers": (sealed(header, alien_sets, strangers, range(4)), REFUSED_HASH),
        "of_strangers_of_a_later_epoch": (
            sealed(replace(header, epoch=1), alien_sets, strangers, range(4)),
            TOO_FEW,
        ),
        "with_another_newcomer": (
            replace(good, sets=replace(good.sets, changes=(SeatChange(0, ALIEN),))),
            REFUSED_HASH,
        ),
        "with_another_left_node": (replace(good, sets=replace(good.sets, left=ALIEN)), REFUSED_HASH),
        "signed_by_two": (made.handoff(0, (0, 1)), TOO_FEW),
        "signed_by_nobody": (made.handoff(0, ()), TOO_FEW),
        "of_another_header": (replace(good, header=replace(header, body_root=ALIEN)), REFUSED_SIGNATURE),
        "final_in_a_slot_before_its_own": (
            replace(good, finality=replace(good.finality, slot=2)),
            MALFORMED,
        ),
        "final_in_a_slot_nobody_signed": (
            replace(good, finality=replace(good.finality, slot=9)),
            REFUSED_SIGNATURE,
        ),
    }
    found = {
        f"handoff_{name}": case("the set stays what it was", shown(one, verdict))
        for name, (one, verdict) in forged.items()
    }
    found["handoffs_of_which_one_is_bad"] = case(
        "all of an answer or nothing", shown([good, made.handoff(1, (0, 1))], TOO_FEW)
    )
    found["handoff_of_an_epoch_that_is_over"] = case(
        "it leads nowhere", shown(good, "invalid: below-stored-height"), height=4
    )
    return found


def _shapes() -> dict[str, Json]:
    """Sets that are committed to and signed, and that no decoder takes."""
    made = rotating()
    good, header, old = made.handoff(0), made.header(3), made.blocks[2].signers
    keys = set_of(old)
    changes = {
        "without_changes": (),
        "that_changes_a_seat_twice": (SeatChange(0, newcomer(1).public_key), SeatChange(0, ALIEN)),
        "with_seats_out_of_order": (SeatChange(2, newcomer(1).public_key), SeatChange(0, ALIEN)),
        "that_changes_a_seat_to_itself": (SeatChange(0, keys.keys[0]), SeatChange(1, ALIEN)),
    }
    found = {}
    for name, changed in changes.items():
        sets = SetProof(good.sets.left, keys, changed)
        found[f"handoff_{name}"] = case(
            "one encoding a change of sets", shown(sealed(header, sets, old, range(3)), MALFORMED)
        )
    data = encode_handoffs([good])
    broken = {
        "with_a_key_on_two_seats": data.replace(keys.keys[1], keys.keys[0]),
        "with_a_newcomer_who_has_a_seat": data[:-32] + keys.keys[2],
        "of_a_seat_that_is_not_there": data[:-33] + b"\x04" + data[-32:],
        "one_byte_too_few": data[:-1],
        "one_byte_too_many": data + b"\x00",
        "thirty_three": b"\x21" + data[1:],
        "none_at_all": b"",
    }
    found |= {
        f"handoff_bytes_{name}": case("one encoding a handoff", shown(one, MALFORMED))
        for name, one in broken.items()
    }
    found["handoffs_of_nothing"] = case("nothing to learn", shown([], "known"))
    return found


def _waiting() -> dict[str, Json]:
    made = rotating()
    fifth = made.light_block(5)
    lie = replace(fifth, app=replace(fifth.app, model_root=ALIEN))
    far = replace(fifth, header=replace(fifth.header, epoch=9))
    strangers = replace(fifth, finality=Finality(5, Quorum.of({})))
    return {
        "block_of_an_unknown_epoch_that_does_not_hold_together": case(
            "nothing is asked for because of it", block(lie, REFUSED_HASH)
        ),
        "block_of_an_epoch_that_cannot_be_there_yet": case(
            "every epoch has at least one block", block(far, MALFORMED)
        ),
        "block_of_a_known_epoch_ends_the_wait": case(
            "the last head counts",
            block(fifth, "handoffs 0 to 0"),
            block(made.light_block(3), "advanced to 3"),
        ),
        "block_of_an_unknown_epoch_that_nobody_signed": case(
            "it is judged once its validators are known",
            block(strangers, "handoffs 0 to 0"),
            shown(made.handoff(0), "validators of epoch 1"),
            block(strangers, TOO_FEW),
        ),
        "block_of_the_next_epoch_signed_by_the_last_set": case(
            "the set of h is not that of h + 1",
            shown(made.handoff(0), "validators of epoch 1"),
            block(_by_the_last_set(made), REFUSED_SIGNATURE),
            height=3,
        ),
    }


def _by_the_last_set(made: EpochChain) -> LightBlock:
    fourth, old = made.light_block(4), made.blocks[2].signers
    subject = finalize(fourth.header, made.hash(4))
    message = subject.signing_bytes(made.chain_id)
    quorum = Quorum.of({one: old[one].sign(message) for one in range(3)})
    return replace(fourth, finality=Finality(4, quorum))


def _places() -> dict[str, Json]:
    made = rotating()
    twin = made.forged_handoff(0, body_root=ALIEN)
    return {
        "two_ends_of_one_epoch": case(
            "more than a third lied", shown(made.handoff(0), "validators of epoch 1"), shown(twin, "conflict")
        ),
        "end_of_an_epoch_at_another_header": case(
            "the handoff was final, the run is",
            shown(twin, "validators of epoch 1"),
            block(made.light_block(5), "headers 3 to 5"),
            run(made.header_run(3, 5), "conflict"),
        ),
        "end_of_an_epoch_later_than_its_blocks": case(
            "a final handoff of height 9, and final blocks of the next epoch below it",
            shown(made.forged_handoff(0, height=9, time_s=90), "validators of epoch 1"),
            block(made.light_block(5), "headers 3 to 5"),
            run(made.header_run(3, 5), "conflict"),
        ),
        "end_of_an_epoch_below_the_tip": case(
            "two final blocks follow block 1",
            shown(made.forged_handoff(0, height=1, time_s=10), "conflict"),
        ),
        "end_of_an_epoch_beside_the_tip": case(
            "two final headers of height 3", shown(twin, "conflict"), height=3
        ),
        "end_of_an_epoch_at_the_tip": case(
            "the tip is the boundary", shown(made.handoff(0), "validators of epoch 1"), height=3
        ),
    }


def _times() -> dict[str, Json]:
    made = rotating()
    past_ms = chain_ms(TRUSTED) - CLOCK_DRIFT_MS - 1
    ahead = made.forged_handoff(0, time_s=10 * TRUSTED + CLOCK_DRIFT_MS // 1000 + 1)
    return {
        "handoff_from_before_the_tip": case(
            "chain time never decreases", shown(made.forged_handoff(0, time_s=19), TIME)
        ),
        "handoff_from_the_future": case(
            "as for blocks: forward lunatic",
            shown(ahead, TIME, chain_ms(TRUSTED)),
            shown(ahead, "validators of epoch 1", chain_ms(TRUSTED) + 1000),
        ),
        "hop_by_a_clock_behind_the_chain": case(
            "who does not know the time steps over no epoch",
            block(made.light_block(), "handoffs 0 to 0", past_ms),
            shown(made.handoff(1), TIME, past_ms),
            shown([made.handoff(0), made.handoff(1)], "validators of epoch 2", past_ms),
            block(made.light_block(), "handoffs 2 to 2", past_ms),
        ),
        "hop_by_a_good_clock": case(
            "the same handoff at its own time", shown(made.handoff(1), "validators of epoch 2", chain_ms(6))
        ),
    }


def _trust() -> dict[str, Json]:
    made = rotating()
    last_ms, late_ms = chain_ms(TRUSTED) + PERIOD_MS - 1, chain_ms(TRUSTED) + PERIOD_MS
    need = "need a checkpoint"
    return {
        "trust_on_its_last_millisecond": case(
            "within the trusting period", block(made.light_block(3), "advanced to 3", last_ms)
        ),
        "trust_as_old_as_the_trusting_period": case(
            "old validators may have sold their keys", block(made.light_block(3), need, late_ms)
        ),
        "handoff_within_the_trusting_period": case(
            "the last moment", shown(made.handoff(0), "validators of epoch 1", last_ms)
        ),
        "handoff_after_the_trusting_period": case("a moment later", shown(made.handoff(0), need, late_ms)),
        "run_after_the_trusting_period": case(
            "it was asked for in time and came too late",
            block(made.light_block(3), "headers 2 to 3", chain_ms(3)),
            run(made.header_run(2, 3), need, late_ms - 10_000),
            height=1,
        ),
        "genesis_is_trusted_as_long": case(
            "a join string without a checkpoint is good for a while, too",
            block(made.light_block(1), need, chain_ms(0) + PERIOD_MS),
            height=0,
        ),
    }
