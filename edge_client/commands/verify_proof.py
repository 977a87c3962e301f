"""`edge-client verify-proof`: check what somebody else proves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from edge_client.commands.failing import MISTAKE, OWNER, fail
from edge_client.commands.options import JSON

if TYPE_CHECKING:
    from edge_client.protocol.fraud import FraudProof
    from edge_client.protocol.proof_checks import Anchor, Verdict
    from edge_client.protocol.proofs import ProofFile


@click.command(short_help="Check a proof file offline.")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="[MODEL] PROOF")
@click.option("--chain", metavar="ID", help="The chain id you trust: 64 hex digits.")
@click.option("--checkpoint", metavar="HEIGHT:HASH", help="A header you trust.")
@JSON
def verify_proof(files: tuple[Path, ...], chain: str | None, checkpoint: str | None, as_json: bool) -> None:
    """Check PROOF, offline, against a chain id or a checkpoint that you trust, and say what is proven.

    With MODEL, a file written by `edge-client export`: also check that this very file holds the proven model.
    A fraud proof, as `edge-broker audit` writes it, is executed again.
    Ends with 2 when nothing is proven, with 4 when a final header of the chain contradicts the checkpoint.
    """
    import json

    from edge_client.proof_reading import facts_of, in_words
    from edge_client.protocol import keys
    from edge_client.protocol.proof_checks import Contradicted, Proven, check_proof
    from edge_client.protocol.proofs import ProofFile

    if len(files) > 2:
        fail("give a proof, or a model and its proof")
    file = files[-1]
    anchor, proof = _anchor(chain, checkpoint), _read(file)
    if not isinstance(proof, ProofFile):
        if len(files) > 1:
            fail(f"{file} is a fraud proof; give it alone")
        _judge_block(file, proof, anchor, as_json=as_json)
        return
    verdict = check_proof(proof, anchor, keys.verify)
    if not isinstance(verdict, Proven):
        _refuse(file, _why_not(verdict), contradicted=isinstance(verdict, Contradicted), as_json=as_json)
    facts = facts_of(proof, verdict)
    if len(files) > 1:
        facts["file"] = _held_by(files[0], proof)
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    for line in in_words(facts):
        click.echo(line)


def _refuse(file: Path, sentence: str, *, contradicted: bool, as_json: bool) -> NoReturn:
    import json

    if as_json:
        click.echo(json.dumps({"proven": False, "why": sentence}, indent=1))
    fail(f"{file} proves nothing: {sentence}", OWNER if contradicted else MISTAKE)


def _judge_block(file: Path, proof: FraudProof, anchor: Anchor, *, as_json: bool) -> None:
    """Execute the block of a fraud proof again and say what is wrong with it."""
    import json

    from edge_client.fraud_reading import facts_of, in_words, why_not
    from edge_client.protocol import keys
    from edge_client.protocol.fraud_checks import NotProven, Why, check_fraud

    verdict = check_fraud(proof, anchor, keys.verify)
    if isinstance(verdict, NotProven):
        contradicted = verdict.why is Why.CONTRADICTED
        _refuse(file, why_not(verdict), contradicted=contradicted, as_json=as_json)
    for line in [json.dumps(facts_of(verdict), indent=1)] if as_json else in_words(verdict):
        click.echo(line)


def _held_by(model: Path, proof: ProofFile) -> dict[str, str]:
    """Which proven model the file holds; ends the command when it holds none."""
    from edge_client.litert.inference import FILE_BYTES_MAX, fault_of
    from edge_client.protocol.proofs import ModelProof

    roots = [claim.app.model_root for claim in proof.bundle.claims if isinstance(claim, ModelProof)]
    if not roots:
        fail("the proof is not about a model; `edge-client export` writes one that is")
    try:
        with model.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX)
    except OSError as error:
        fail(f"cannot read {model}: {error.strerror}")
    faults = {root: fault_of(data, proof.genesis.manifest, root) for root in roots}
    held = next((root for root, fault in faults.items() if fault is None), None)
    if held is None:
        fail(f"{model} is not the proven model: {faults[roots[0]]}")
    return {"name": str(model), "root": held.hex()}


def _anchor(chain: str | None, checkpoint: str | None) -> Anchor:
    from edge_client.protocol.hashing import HASH_BYTES
    from edge_client.protocol.join import JoinError, parse_checkpoint
    from edge_client.protocol.proof_checks import Anchor

    if chain is None and checkpoint is None:
        fail("say what you trust: --chain ID or --checkpoint HEIGHT:HASH")
    try:
        chain_id = None if chain is None else bytes.fromhex(chain)
        trusted = None if checkpoint is None else parse_checkpoint(checkpoint)
    except JoinError:
        fail("--checkpoint is HEIGHT:HASH, the hash of a header in 64 hex digits")
    except ValueError:
        chain_id = b""
    if chain_id is not None and len(chain_id) != HASH_BYTES:
        fail("--chain is the whole chain id, 64 hex digits; `edge-client status` shows it")
    return Anchor(chain_id, trusted)


def _read(file: Path) -> ProofFile | FraudProof:
    from edge_client.protocol.errors import DecodeError
    from edge_client.protocol.fraud import FRAUD_BYTES_MAX, FRAUD_MAGIC, FraudProof, is_fraud_proof
    from edge_client.protocol.proofs import PROOF_BYTES_MAX, ProofFile

    try:
        with file.open("rb") as opened:
            start = opened.read(len(FRAUD_MAGIC))
            if is_fraud_proof(start):
                return FraudProof.decode(start + opened.read(FRAUD_BYTES_MAX))
            return ProofFile.decode(start + opened.read(PROOF_BYTES_MAX))
    except OSError as error:
        fail(f"cannot read {file}: {error.strerror}")
    except DecodeError as error:
        fail(f"{file} cannot be read as a proof: {error.detail}")


def _why_not(verdict: Verdict) -> str:
    from edge_client.protocol.errors import Reason
    from edge_client.protocol.proof_checks import NotLinked, Refused

    if isinstance(verdict, NotLinked):
        height = verdict.height
        return f"it shows no header of height {height}; ask for one made with `prove --checkpoint {height}`"
    if isinstance(verdict, Refused):
        if verdict.reason == Reason.WRONG_CHAIN:
            return f"it is about another chain ({verdict.detail})"
        return f"{verdict.reason.value}, {verdict.detail}"
    return "its head is final and contradicts your checkpoint: the checkpoint is wrong or the chain is forked"
