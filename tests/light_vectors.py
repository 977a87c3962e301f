"""Vectors of the light client: what a device trusts, what it is shown, what it must answer.

A second implementation of a device reads the same files. One file is one case:

    meta      case and why it matters
    genesis   hex of the genesis struct
    trusted   block: hex of the light block believed so far (null: genesis); peaks: hex up to and with it;
              validators: hex of the keys that signed it
    checkpoint  height and hash that the operator vouches for (null: none)
    steps     one after the other, each with what is shown and the verdict; see `Device`

Verdicts: `advanced to 5` (tip and head), `advanced to 7, head 5`, `known` (nothing changes), `headers 4 to 6`
and `handoffs 0 to 2` (wanted before it can be linked, or judged), `validators of epoch 3` (the latest set
that handoffs led to), `need a checkpoint`, `invalid: <reason>`, `conflict`; of proofs `proven`, `unproven`,
`unlinked` (no way to the checkpoint is shown).
Whatever is not `advanced` must leave tip and head as they are, and what is neither that nor `validators` the
sets, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge_client.core import verify
from edge_client.core.anchors import Anchors
from edge_client.core.light_client import Advanced, HandedOver, Known, LightClient, Progress
from edge_client.core.trusted import Tip, Trusted, genesis_trust, verified_head
from edge_client.core.verify import Conflict, Invalid, NeedCheckpoint, NotEnoughTrust
from edge_client.protocol import keys, light, mmr, proof_checks
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.encoding import Reader
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.handoff import TrustedSet, read_handoffs
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.keys import KEY_BYTES
from edge_client.protocol.messages import GetHandoffs, GetHeaders
from edge_client.protocol.proof_checks import Anchor
from edge_client.protocol.proofs import ProofFile
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.validators import ValidatorSet
from tests.builders import Inclusion

FOLDER = Path(__file__).parent / "vectors" / "light"
Json = Mapping[str, Any]


class Device:
    """What a device would do with the steps of one vector."""

    def __init__(self, vector: Json) -> None:
        genesis = Genesis.decode(_bytes(vector["genesis"]))
        chain_id = genesis.chain_id()
        rules = verify.LightRules(chain_id, genesis.t0_s, keys.verify)
        checkpoint, trusted = vector["checkpoint"], vector["trusted"]
        believed = genesis_trust(genesis)
        if trusted["block"] is not None:
            block = light.LightBlock.decode(_bytes(trusted["block"]))
            header, peaks = block.header, mmr.Peaks.decode(_bytes(trusted["peaks"]))
            tip = Tip(header.height, header.hash(chain_id), header.time_s, peaks)
            signing = TrustedSet(header.epoch, _set(trusted["validators"]))
            believed = Trusted(tip, verified_head(block, tip.hash), signing)
        told = checkpoint and Checkpoint(checkpoint["height"], _bytes(checkpoint["hash"]))
        self.client = LightClient(rules, believed, told)
        self._anchor = Anchor(chain_id, told)
        self._anchors = Anchors(believed.head, {})

    def verdict(self, step: Json) -> str:
        """What comes of one step; a refusal that changed what is believed is said, too."""
        client = self.client
        before, latest = (client.tip, client.head), client.latest
        said = self._verdict(step)
        if not said.startswith("advanced") and (client.tip, client.head) != before:
            return f"{said}, but believed"
        if not said.startswith(("advanced", "validators")) and client.latest != latest:
            return f"{said}, but followed"
        return said

    def _verdict(self, step: Json) -> str:
        try:
            if "account" in step:
                return _proven(self._account(step))
            if "inclusion" in step:
                return _proven(self._inclusion(step))
            if "proof" in step:
                return self._proof(step)
            if "history" in step:
                return _proven(self._history(step["history"]))
            return self._progress(step)
        except DecodeError as error:
            return f"invalid: {error.reason.value}"

    def _progress(self, step: Json) -> str:
        if "block" in step:
            block = light.LightBlock.decode(_bytes(step["block"]))
            progress = self.client.offer(block, step["now_ms"])
        elif "handoffs" in step:
            progress = self._handoffs(step)
        else:
            progress = self.client.take_run(light.HeaderRun.decode(_bytes(step["run"])), step["now_ms"])
        if isinstance(progress, Advanced):
            self._anchors.add_headers(progress.headers)
            if progress.head is not None:
                self._anchors.add_head(progress.head)
        return self._words(progress)

    def _handoffs(self, step: Json) -> Progress:
        reader = Reader(_bytes(step["handoffs"]), "handoffs")
        handoffs = read_handoffs(reader)
        reader.finish()
        return self.client.take_handoffs(handoffs, step["now_ms"])

    def _words(self, progress: Progress) -> str:
        match progress:
            case HandedOver():
                return f"validators of epoch {self.client.latest.epoch}"
            case NeedCheckpoint():
                return "need a checkpoint"
            case Advanced(_, tip):
                head = self.client.head.height
                return f"advanced to {tip.height}" + (f", head {head}" if head != tip.height else "")
            case NotEnoughTrust(GetHeaders(first, last)):
                return f"headers {first} to {last}"
            case NotEnoughTrust(GetHandoffs(first, last)):
                return f"handoffs {first} to {last}"
            case Invalid(reason, _):
                return f"invalid: {reason.value}"
            case Conflict():
                return "conflict"
            case Known():
                return "known"
        raise AssertionError(f"no word for {progress}")

    def _proof(self, step: Json) -> str:
        file = ProofFile.decode(_bytes(step["proof"]))
        match proof_checks.check_proof(file, self._anchor, keys.verify):
            case proof_checks.Proven():
                return "proven"
            case proof_checks.Refused():
                return "unproven"
            case proof_checks.NotLinked():
                return "unlinked"
            case proof_checks.Contradicted():
                return "conflict"

    def _account(self, step: Json) -> bool:
        reader = Reader(_bytes(step["account"]), "account proof")
        proof = AccountProof.read(reader)
        reader.finish()
        return proof.root() == self.client.head.state.accounts_root

    def _inclusion(self, step: Json) -> bool:
        reader = Reader(_bytes(step["inclusion"]), "inclusion")
        inclusion = Inclusion.read(reader)
        reader.finish()
        head = UpdateHead.decode(_bytes(step["update"]))
        shown = self._anchors.includes(inclusion.height, inclusion.proof, head)
        return inclusion.update_root == head.update_root and shown

    def _history(self, shown: Json) -> bool:
        siblings = tuple(_bytes(one) for one in shown["siblings"])
        peaks = mmr.Peaks.decode(_bytes(shown["peaks"]))
        proof = mmr.MmrProof(shown["index"], siblings, peaks)
        return proof.root_for(_bytes(shown["leaf"])) == self.client.tip.peaks.root()


def mismatches(vector: Json) -> Iterator[str]:
    """A line for every step with another verdict than the vector's."""
    device = Device(vector)
    for number, step in enumerate(vector["steps"]):
        said = device.verdict(step)
        if said != step["verdict"]:
            yield f"{vector['meta']['case']}, step {number}: {said}, not {step['verdict']}"


def stored() -> dict[str, Json]:
    """All vectors by file name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def _set(text: str) -> ValidatorSet:
    data = _bytes(text)
    return ValidatorSet(tuple(data[at : at + KEY_BYTES] for at in range(0, len(data), KEY_BYTES)))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text)


def _proven(held: bool) -> str:
    return "proven" if held else "unproven"
