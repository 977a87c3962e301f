"""Cases of header runs, of the operator's checkpoint, and of proofs against what was verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from edge_client.protocol import mmr
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.header import Header
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.light import HeaderRun
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.votes import Finality, Quorum
from tests.builders import Inclusion
from tests.light_block_cases import ALIEN, MALFORMED, REFUSED_HASH, REFUSED_SIGNATURE, TIME, TOO_FEW
from tests.light_forge import (
    HEIGHTS,
    Json,
    Start,
    block,
    case,
    chain,
    learning_of,
    run,
    run_of,
    with_header,
)

TARGET = 8
ACCOUNTS = 3


def run_cases() -> dict[str, Json]:
    """Every case by name."""
    parts: tuple[Callable[[], dict[str, Json]], ...] = (
        _linked,
        _wanted,
        _broken,
        _forged,
        _bytes,
        _checkpoints,
        _accounts,
        _inclusions,
        _history,
    )
    return {name: made for part in parts for name, made in part().items()}


def _asked(verdict: str = f"headers 4 to {TARGET}") -> Json:
    """The head further on that makes a device want headers."""
    return block(chain().light_block(TARGET), verdict)


def _linked() -> dict[str, Json]:
    made, start = chain(), Start(chain())
    beyond = run(made.header_run(4, 10), f"advanced to 10, head {TARGET}")
    tenth = made.light_block(10)
    lie = replace(tenth, learning=learning_of(made, 10, theta=0))
    return {
        "run_to_the_head": case(
            start, "headers alone lead there", _asked(), run(made.header_run(4, 8), "advanced to 8")
        ),
        "run_from_genesis": case(
            Start(made, 0),
            "the same on the first day",
            block(made.light_block(HEIGHTS), f"headers 1 to {HEIGHTS}"),
            run(made.header_run(1, HEIGHTS), f"advanced to {HEIGHTS}"),
        ),
        "run_in_pieces": case(
            start,
            "each piece has its own certificate",
            _asked(),
            run(made.header_run(4, 5), "advanced to 5, head 3"),
            run(made.header_run(6, 8), "advanced to 8"),
        ),
        "run_beyond_the_head": case(
            start,
            "the head is reached on the way",
            _asked(),
            beyond,
            block(tenth, "advanced to 10"),
        ),
        "leaves_of_a_linked_header": case(
            start,
            "a header that is linked says nothing about leaves shown later",
            _asked(),
            beyond,
            block(lie, REFUSED_HASH),
        ),
        "certificate_of_a_linked_header": case(
            start,
            "nor is a light block of it taken with too few signatures",
            _asked(),
            beyond,
            block(made.light_block(10, (0, 1)), TOO_FEW),
        ),
    }


def _wanted() -> dict[str, Json]:
    """What is asked for, and what is not taken because nobody asked."""
    made, start = chain(), Start(chain())
    return {
        "two_heads_further_on": case(
            start,
            "both final at one height: more than a third lied",
            _asked(),
            block(with_header(made, TARGET, body_root=ALIEN), "conflict"),
        ),
        "run_nobody_asked_for": case(start, "nothing is wanted", run(made.header_run(4, 6), "known")),
        "run_from_another_height": case(
            start, "not what was asked", _asked(), run(made.header_run(5, 8), "known")
        ),
        "run_of_nothing": case(
            start, "it changes nothing", _asked(), run(HeaderRun(4, (), Finality(4, Quorum(0, ()))), "known")
        ),
        "later_head_moves_the_target": case(
            start,
            "the highest head is wanted",
            _asked(),
            block(made.light_block(10), "headers 4 to 10"),
            block(made.light_block(6), "headers 4 to 6"),
            run(made.header_run(4, 10), "advanced to 10"),
        ),
    }


def _broken() -> dict[str, Json]:
    made, start = chain(), Start(chain())
    whole = made.header_run(4, TARGET)
    cut = replace(whole, linked=whole.linked[:-1])
    gap = replace(whole, linked=(whole.linked[0], *whole.linked[2:]))
    swapped = replace(whole, linked=(whole.linked[1], whole.linked[0], *whole.linked[2:]))
    changed = whole.linked[1][:-1] + bytes([whole.linked[1][-1] ^ 1])
    shown = {
        "without_a_certificate": (replace(whole, finality=Finality(TARGET, Quorum(0, ()))), TOO_FEW),
        "signed_by_two": (replace(whole, finality=made.finality(TARGET, (0, 1))), TOO_FEW),
        "with_the_certificate_of_a_later_header": (cut, REFUSED_SIGNATURE),
        "with_the_certificate_of_an_earlier_header": (
            replace(whole, finality=Finality(TARGET, made.finality(4).quorum)),
            REFUSED_SIGNATURE,
        ),
        "with_a_gap": (gap, MALFORMED),
        "out_of_order": (swapped, MALFORMED),
        "with_a_changed_header": (
            replace(whole, linked=(whole.linked[0], changed, *whole.linked[2:])),
            REFUSED_SIGNATURE,
        ),
        "of_another_chain": (
            replace(whole, finality=chain(t0_s=made.genesis.t0_s + 1).finality(TARGET)),
            REFUSED_SIGNATURE,
        ),
    }
    return {
        f"run_{name}": case(start, "nothing of it is believed", _asked(), run(broken, verdict))
        for name, (broken, verdict) in shown.items()
    }


def _forged() -> dict[str, Json]:
    """Runs with one thing wrong inside that end in a header with a genuine quorum."""
    made, start = chain(), Start(chain())

    def forged(at: int, **changes: Any) -> HeaderRun:
        headers: list[Header] = list(made.headers[3:TARGET])
        headers[at] = replace(headers[at], **changes)
        return run_of(made, 4, headers)

    tip_s = made.headers[2].time_s
    same_time = [replace(one, time_s=tip_s) for one in made.headers[3:TARGET]]
    twin = with_header(made, TARGET, body_root=ALIEN)
    shown = {
        "into_another_epoch": (forged(2, epoch=1), MALFORMED),
        "with_another_set_size": (forged(1, validators=7), MALFORMED),
        "that_begins_before_the_tip": (forged(0, time_s=tip_s - 1), TIME),
        "whose_time_goes_back": (forged(3, time_s=tip_s), TIME),
        "that_skips_a_height": (forged(2, height=20), MALFORMED),
        "that_repeats_a_height": (forged(1, height=4), MALFORMED),
        "with_a_later_version": (forged(1, version=2), MALFORMED),
        "that_ends_elsewhere_than_the_head": (forged(1, body_root=ALIEN), "conflict"),
    }
    found = {
        f"run_{name}": case(start, "a quorum at the end does not mend it", _asked(), run(broken, verdict))
        for name, (broken, verdict) in shown.items()
    }
    found["run_in_which_time_stands"] = case(
        start,
        "chain time may stand, also in runs; the head is another than the one wanted, so that is a conflict",
        _asked(),
        run(run_of(made, 4, same_time), "conflict"),
    )
    found["run_in_which_time_stands_short_of_the_head"] = case(
        start,
        "the same, ending before anything contradicts it",
        _asked(),
        run(run_of(made, 4, same_time[:2]), "advanced to 5, head 3"),
    )
    found["true_run_to_a_forged_head"] = case(
        start,
        "the head was final, the run is: more than a third lied",
        block(twin, f"headers 4 to {TARGET}"),
        run(made.header_run(4, TARGET), "conflict"),
    )
    return found


def _bytes() -> dict[str, Json]:
    made, start = chain(), Start(chain())
    data = made.header_run(4, TARGET).encode()
    shown = {
        "nothing": b"",
        "one_byte_too_few": data[:-1],
        "one_byte_too_many": data + b"\x00",
        "more_headers_than_there_are": data[:4] + b"\x00\x06" + data[6:],
        "more_headers_than_are_allowed": data[:4] + b"\xff\xff" + data[6:],
    }
    return {
        f"run_bytes_{name}": case(start, "one encoding a run", _asked(), run(broken, MALFORMED))
        for name, broken in shown.items()
    }


def _checkpoints() -> dict[str, Json]:
    made = chain()
    right = Checkpoint(5, made.headers[4].hash(made.chain_id))
    wrong = replace(right, header_hash=ALIEN)
    fourth = block(made.light_block(4), "advanced to 4")
    return {
        "checkpoint_met_by_a_block": case(
            Start(made, checkpoint=right), "as told", fourth, block(made.light_block(5), "advanced to 5")
        ),
        "checkpoint_missed_by_a_block": case(
            Start(made, checkpoint=wrong),
            "the operator knows better",
            fourth,
            block(made.light_block(5), "conflict"),
        ),
        "checkpoint_met_by_a_run": case(
            Start(made, checkpoint=right), "as told", _asked(), run(made.header_run(4, 8), "advanced to 8")
        ),
        "checkpoint_missed_by_a_run": case(
            Start(made, checkpoint=wrong),
            "the operator knows better",
            _asked(),
            run(made.header_run(4, 8), "conflict"),
        ),
    }


def _account(proof: AccountProof, verdict: str) -> Json:
    """A step that shows an account as of the head."""
    return {"account": proof.encode().hex(), "verdict": verdict}


def _accounts() -> dict[str, Json]:
    made = chain()
    start, accounts = Start(made, HEIGHTS), made.state.accounts
    first, last = accounts.prove(0), accounts.prove(ACCOUNTS - 1)
    richer = replace(first, account=replace(first.account, balance=first.account.balance + 1))
    shown = {
        "richer_than_it_is": richer,
        "under_another_number": replace(first, index=1),
        "number_beyond_the_end": replace(last, index=ACCOUNTS),
        "number_beyond_the_end_by_much": replace(first, index=4),
        "of_more_accounts": replace(last, count=4),
        "of_fewer_accounts": replace(first, count=2),
        "path_too_short": replace(first, path=first.path[:-1]),
        "path_too_long": replace(first, path=(*first.path, ALIEN)),
        "path_upside_down": replace(first, path=first.path[::-1]),
        "no_path": replace(first, count=1, path=()),
    }
    found = {
        f"account_{index}_of_three": case(
            start, "the tree's last leaf is lifted", _account(accounts.prove(index), "proven")
        )
        for index in range(ACCOUNTS)
    }
    found |= {
        f"account_{name}": case(start, "not under the accounts root", _account(proof, "unproven"))
        for name, proof in shown.items()
    }
    older = made.states[4].accounts.prove(0)
    found["account_of_another_height"] = case(
        start,
        "old balances are not current ones",
        _account(older, "unproven"),
    )
    return found


def _inclusions() -> dict[str, Json]:
    """The update of height 5 after a run from the trusted block to height 8."""
    made, start = chain(), Start(chain())
    update = made.bodies[4].updates[0]
    found, last = (made.inclusion(one.update_root) for one in made.bodies[4].updates)
    steps = _asked(), run(made.header_run(4, TARGET), "advanced to 8")
    proof = found.proof

    def shown(one: Inclusion, verdict: str, head: UpdateHead = update) -> Json:
        return {"inclusion": one.encode().hex(), "update": head.encode().hex(), "verdict": verdict}

    broken = {
        "in_another_block": (replace(found, height=7), update),
        "in_a_block_nobody_verified": (replace(found, height=9), update),
        "under_another_name": (replace(found, update_root=ALIEN), update),
        "with_more_samples": (found, replace(update, samples=update.samples + 1)),
        "of_another_account": (found, made.bodies[4].updates[1]),
        "at_another_place": (replace(found, proof=replace(proof, index=1 - proof.index)), update),
        "number_beyond_the_end": (
            replace(last, proof=replace(last.proof, index=2)),
            made.bodies[4].updates[1],
        ),
        "among_more_records": (replace(found, proof=replace(proof, count=proof.count + 1)), update),
        "path_too_long": (replace(found, proof=replace(proof, path=(*proof.path, ALIEN))), update),
        "path_too_short": (replace(found, proof=replace(proof, path=())), update),
        "other_certificates": (replace(found, proof=replace(proof, justification_hash=ALIEN)), update),
    }
    return {"update_included": case(start, "the receipt a device keeps", *steps, shown(found, "proven"))} | {
        f"update_{name}": case(start, "not under the body root", *steps, shown(one, "unproven", head))
        for name, (one, head) in broken.items()
    }


def _history() -> dict[str, Json]:
    """Headers under the history that the trusted block ends; 15 leaves make mountains of 8, 4, 2 and 1."""
    made = chain()
    start, leaves = Start(made, HEIGHTS), made.leaves()

    def shown(proof: mmr.MmrProof, leaf: bytes, verdict: str) -> Json:
        siblings, peaks = [one.hex() for one in proof.siblings], proof.peaks.encode().hex()
        written = {"index": proof.index, "leaf": leaf.hex(), "siblings": siblings, "peaks": peaks}
        return {"history": written, "verdict": verdict}

    found = {
        f"history_of_height_{height}": case(
            start, "the header hash stands there", shown(mmr.prove(leaves, height), leaves[height], "proven")
        )
        for height in range(len(leaves))
    }
    fifth, last = mmr.prove(leaves, 5), mmr.prove(leaves, HEIGHTS)
    inner = mmr.parent_hash(leaves[4], leaves[5])
    broken = {
        "another_header": (fifth, leaves[6]),
        "an_alien_header": (fifth, ALIEN),
        "at_another_height": (replace(fifth, index=4), leaves[5]),
        "in_another_mountain": (replace(fifth, index=9), leaves[5]),
        "beyond_the_end": (replace(last, index=HEIGHTS + 1), leaves[HEIGHTS]),
        "siblings_too_few": (replace(fifth, siblings=fifth.siblings[:-1]), leaves[5]),
        "siblings_too_many": (replace(last, siblings=(ALIEN,)), leaves[HEIGHTS]),
        "inner_node_as_a_header": (replace(fifth, index=2, siblings=fifth.siblings[1:]), inner),
        "other_peaks": (replace(fifth, peaks=mmr.peaks_of(leaves[:-1])), leaves[5]),
    }
    found |= {
        f"history_{name}": case(start, "the hash does not stand there", shown(proof, leaf, "unproven"))
        for name, (proof, leaf) in broken.items()
    }
    return found
