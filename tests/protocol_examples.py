"""One valid value of every struct and message of the protocol, and how each is decoded.

`python -m tests.protocol_examples` writes them, and what the protocol's hash functions make of fixed inputs,
to tests/vectors/. That was done once: the files are the golden vectors that tests only read, and a change
in them is a new version of the protocol.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from edge_client.protocol import merkle
from edge_client.protocol.attack import FinalHeader, LightAttack
from edge_client.protocol.body import decode_block, encode_block
from edge_client.protocol.checkpoint import Checkpoint, GetCheckpoint
from edge_client.protocol.chunks import Bitmap, ObjectKind, Piece, blob_root, chunk_hash
from edge_client.protocol.consent import Consent
from edge_client.protocol.encoding import Reader
from edge_client.protocol.genesis import Admission
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.keys import Purpose, node_id, signing_bytes
from edge_client.protocol.messages import (
    ACCEPTED,
    REFUSED,
    Ask,
    GetChunks,
    GetHandoffs,
    GetHeaders,
    Handoffs,
    MissingChunks,
    Question,
    Recall,
    Receipt,
    Say,
    SubmitRecord,
    decode_say,
    decode_validator_say,
    encode_say,
    encode_validator_say,
)
from edge_client.protocol.mmr import peaks_of
from edge_client.protocol.model import model_root
from edge_client.protocol.params import ParamsPair
from edge_client.protocol.proofs import ProofFile
from edge_client.protocol.records import Record, decode_record, encode_record
from edge_client.protocol.seats import Candidate, Seat, Seats
from edge_client.protocol.update import update_root_of
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.votes import Finality, Proposal, Snapshot, finalize, notarize, nullify, vote
from edge_client.protocol.vouched import GetVouched, LastEnd, Vouched
from edge_client.protocol.wake import Fresh, Wake
from tests.builders import (
    ChainMaker,
    make_genesis,
    make_params,
    make_signers,
    make_update,
    make_voucher,
    params_change,
    register,
)
from tests.candidacies import opt_in, opt_out, proposal_pair, vote_pair
from tests.light_epochs import rotating
from tests.proof_builders import balance_proof, make_bundle, model_proof, update_proof
from tests.wake_builders import awake_of

VECTORS = Path(__file__).parent / "vectors"


@dataclass(frozen=True)
class Example:
    """A value, its bytes, and the decoder that gives the value back."""

    value: Any
    data: bytes
    decode: Callable[[bytes], Any]


def whole(read: Callable[[Reader], Any]) -> Callable[[bytes], Any]:
    """A decoder of a whole byte string from the reader of a part."""

    def decode(data: bytes) -> Any:
        reader = Reader(data, "example")
        value = read(reader)
        reader.finish()
        return value

    return decode


@cache
def chain() -> ChainMaker:
    """Three devices, two closed rounds, one change of params, one empty block."""
    made = ChainMaker(devices=3)
    made.close_round()
    made.add([params_change(made.chain_id, make_params(k=3, sequence=1))])
    made.close_round((0, 2))
    made.add()
    return made


def _plain(value: Any) -> Example:
    return Example(value, value.encode(), type(value).decode)


def _read(value: Any) -> Example:
    return Example(value, value.encode(), whole(type(value).read))


@cache
def examples() -> dict[str, Example]:
    """Every struct, list and message, by name."""
    structs = {**_chain_examples(), **_vote_examples(), **_record_examples()}
    return {**structs, **_message_examples(), **_proof_examples()}


def _chain_examples() -> dict[str, Example]:
    made, state = chain(), chain().state
    listed = make_genesis(validators=1, admission=Admission.LIST)
    block = (made.headers[1], made.bodies[1])
    return {
        "Header": _plain(made.headers[3]),
        "AppLeaves": _plain(made.light_block().app),
        "StateLeaves": _plain(state.state_leaves()),
        "Learning": _plain(state.learning),
        "Seat": _plain(state.seats.seated[0]),
        "Consent": _plain(Consent.by(made.signers[1], made.chain_id, 2)),
        "Candidate": _plain(Candidate(2, made.signers[0].public_key, 1_000_000, 77)),
        "Seats": _plain(sealed_seats(made)),
        "Base": _plain(state.bases[-1]),
        "Account": _plain(state.accounts[0]),
        "AccountProof": _read(state.accounts.prove(2)),
        "RoundParams": _plain(state.params.in_force),
        "ParamsPair": _plain(ParamsPair(make_params(), make_params(k=3, sequence=1))),
        "Manifest": _plain(made.genesis.manifest),
        "Genesis": _plain(made.genesis),
        "Genesis by list": _plain(listed),
        "Peaks": _plain(made.peaks()),
        "Body": _plain(made.bodies[1]),
        "Body without records": _plain(made.bodies[4]),
        "Block": Example(block, encode_block(*block), decode_block),
        "RecordProof": _read(made.bodies[1].prove(1)),
        "LightBlock": _plain(made.light_block()),
        "HeaderRun": _read(made.header_run(2, 5)),
    }


def sealed_seats(made: ChainMaker) -> Seats:
    """As after the boundary of epoch 4: a candidate takes a seat, another leaves."""
    keys = [one.public_key for one in make_signers(2, "elected")]
    seated = made.state.seats.seated
    rows = (Candidate(0, keys[0], 1_000_000), Candidate(2, keys[1], 1_000_000, 77))
    return Seats(4, 65, seated, (*seated[:3], Seat(keys[0], 0)), True, rows, 0b1000)


def _vote_examples() -> dict[str, Example]:
    made = chain()
    header, signer = made.headers[3], made.signers[1]
    subject = finalize(header, header.hash(made.chain_id))
    skipped = nullify(0, 9)
    proposals = [Proposal(slot, header, b"") for slot in (header.slot, header.slot + 3)]
    proposals = [replace(one, signature=signer.sign(one.signing_bytes(made.chain_id))) for one in proposals]
    own = tuple(vote(one, 1, signer.sign(one.signing_bytes(made.chain_id))) for one in (subject, skipped))
    return {
        "Subject": _plain(notarize(header, header.hash(made.chain_id))),
        "Subject of a nullify vote": _plain(skipped),
        "Vote": _plain(own[0]),
        "Quorum": _read(made.certificate(4).quorum),
        "Certificate": _plain(made.certificate(4)),
        "Finality": _read(Finality(header.slot + 3, made.certificate(4).quorum)),
        "Proposal": _plain(proposals[0]),
        "Proposal of a block again": _plain(proposals[1]),
        "Snapshot": _plain(Snapshot(own, (made.certificate(3), made.certificate(4)))),
    }


def _record_examples() -> dict[str, Example]:
    made = chain()
    device = make_signers(9, "device")[8]
    voucher = make_voucher(made.chain_id)
    records: dict[str, Record] = {
        "UpdateHead": made.bodies[1].updates[0],
        "Register": register(device, made.chain_id),
        "Register with a voucher": register(device, made.chain_id, voucher),
        "ParamsChange": params_change(made.chain_id, make_params(sequence=1), owners=(0, 2)),
        "OptIn": opt_in(made, 1, bond=1_000_000),
        "OptOut": opt_out(made, 1),
        "VotePair": vote_pair(made, made.signers[1]),
        "ProposalPair": proposal_pair(made, made.signers[1]),
    }
    structs = {name: _plain(record) for name, record in records.items()}
    tagged = {
        f"record {name}": Example(record, encode_record(record), decode_record)
        for name, record in records.items()
    }
    return {**structs, **tagged}


def _message_examples() -> dict[str, Example]:
    made, epochs = chain(), rotating()
    made_update = make_update(made, 1)
    root, signer = made_update.head.update_root, made.signers[0]
    roots = tuple(head.update_root for head in made.bodies[1].updates)
    questions: dict[str, Question] = {
        "record": SubmitRecord(register(make_signers(9, "device")[8], made.chain_id)),
        "headers": GetHeaders(2, 5),
        "handoffs": GetHandoffs(2, 5),
        "chunks": GetChunks(ObjectKind.MODEL, made.state.model_root, Bitmap.of(9, [0, 8])),
        "waking up": Wake(0, 1, 1, fresh=True, update_roots=roots),
        "checkpoint": GetCheckpoint(),
        "vouched": GetVouched(2, 5),
    }
    blocks = FinalHeader.of(made.light_block(1)), FinalHeader.of(made.light_block())
    questions["attack"] = LightAttack.of(1, *blocks)
    asks = {f"Ask for {name}": _plain(Ask(77, 1, question)) for name, question in questions.items()}
    says: dict[str, Say] = {
        "receipt": Receipt(ACCEPTED, 0, 5, root).sign(signer, made.chain_id),
        "refusal": Receipt(REFUSED, 5, 5, root).sign(signer, made.chain_id),
        "MissingChunks": MissingChunks(root, Bitmap.of(4, [1, 2])),
        "HeaderRun": made.header_run(1, 3),
        "Awake": awake_of(made, 0, Wake(0, 0, 1, fresh=False, update_roots=roots)),
        "Awake without account": awake_of(made, None, Wake(0, 1, 1, fresh=False, update_roots=())),
        "Awake, no later head": awake_of(made, 0, Wake(0, 9, 1, fresh=False, update_roots=())),
        "Fresh": Fresh(77, 5, made.headers[-1].hash(made.chain_id)).sign(signer, made.chain_id),
        "Handoffs": Handoffs((epochs.handoff(0), epochs.handoff(1))),
    }
    says["Vouched"] = Vouched(epochs.header(5), roots, LastEnd(epochs.handoff(0), roots))
    said = {f"say {name}": Example(one, encode_say(one), decode_say) for name, one in says.items()}
    votes = _vote_examples()
    talk = [votes[name].value for name in ("Proposal", "Vote", "Certificate")]
    checkpoint = Checkpoint(4, made.states[4].app_leaves())
    between = {
        f"validators say {type(one).__name__}": Example(one, encode_validator_say(one), decode_validator_say)
        for one in (*talk, made.header_run(1, 1), checkpoint, says["Handoffs"], Recall(0, 7))
    }
    return {
        "LightAttack": _plain(LightAttack.of(1, *blocks)),
        "Fresh": _plain(Fresh(77, 5, root).sign(signer, made.chain_id)),
        "UpdateOffer": _plain(made_update.offer),
        "Receipt": _plain(Receipt(REFUSED, 8, 5, root).sign(signer, made.chain_id)),
        "Piece": _plain(Piece(3, b"last chunk")),
        "Bitmap": _read(Bitmap.of(11, [0, 3, 10])),
        **asks,
        **said,
        **between,
    }


def _proof_examples() -> dict[str, Example]:
    made, epochs = chain(), rotating()
    claims = (update_proof(made, 2), balance_proof(made, 1, 3), model_proof(made))
    file = ProofFile(made.genesis, make_bundle(made, claims, checkpoint=4))
    return {
        "SeatChange": _plain(epochs.handoff(0).sets.changes[0]),
        "Handoff": _plain(epochs.handoff(0)),
        "AncestorProof": _read(file.bundle.checkpoint),
        "Bundle": _read(file.bundle),
        "ProofFile": _plain(file),
        "ProofFile without claims": _plain(ProofFile(made.genesis, make_bundle(made, ()))),
    }


def hashes() -> dict[str, str]:
    """What each hash function makes of inputs that stand in structs.json."""
    made, key = chain(), make_signers(1)[0].public_key
    leaves = [merkle.leaf_hash(bytes([i])) for i in range(5)]
    header = made.headers[3]
    found = {f"digest {tag.name}": digest(tag, b"abc") for tag in Tag}
    found |= {f"merkle root of {n} leaves": merkle.root(leaves[:n]) for n in range(6)}
    found |= {f"mmr root of {n} leaves": peaks_of(leaves[:n]).root() for n in range(6)}
    found |= {f"signing bytes {one.name}": signing_bytes(one, made.chain_id, b"abc") for one in Purpose}
    found |= {
        "chunk hash": chunk_hash(b"abc"),
        "blob root": blob_root(bytes(40_000)),
        "model root": model_root(bytes(40_000)),
        "update root": update_root_of(key, 7, bytes(40_000)),
        "chain id": made.chain_id,
        "header hash": header.hash(made.chain_id),
        "body root": made.bodies[1].root(),
        "app root": made.light_block().app.root(),
        "seats root": sealed_seats(made).root(),
        "state root": made.state.state_leaves().root(),
        "learning root": made.state.learning.root(),
        "params hash": made.state.params.hash(),
        "accounts root": made.state.accounts.root(),
        "validators root": made.validators.root(),
        "certificate id": made.certificate(4).id(),
        "node id": node_id(key).encode(),
    }
    return {name: value.hex() for name, value in found.items()}


def orders() -> dict[str, list[int]]:
    """Who leads and who answers, in a set of seven."""
    seven = ValidatorSet(tuple(one.public_key for one in make_signers(7)))
    return {
        "leaders of slots 0 to 13": [seven.leader(bytes(32), slot) for slot in range(14)],
        "responders of nonce 0": seven.responders(0),
        "responders of nonce 2^64-1": seven.responders(2**64 - 1),
    }


def current() -> dict[str, dict[str, Any]]:
    """Content of each file of golden vectors, as the code says it today."""
    return {
        "structs.json": {name: example.data.hex() for name, example in examples().items()},
        "hashes.json": hashes(),
        "orders.json": orders(),
    }


if __name__ == "__main__":
    VECTORS.mkdir(exist_ok=True)
    for name, content in current().items():
        (VECTORS / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
