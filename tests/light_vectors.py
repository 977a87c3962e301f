"""Vectors of the light client: what a device trusts, what it is shown, what it must answer.

A second implementation of a device reads the same files. One file is one case:

    meta      case and why it matters
    genesis   hex of the genesis struct
    trusted   block: hex of the light block believed so far (null: genesis); peaks: hex up to and with it
    checkpoint  height and hash that the operator vouches for (null: none)
    steps     one after the other, each with what is shown and the verdict; see `Device`

Verdicts: `advanced to 5` (tip and head), `advanced to 7, head 5`, `known` (nothing changes), `headers 4 to 6`
(wanted before it can be linked), `invalid: <reason>`, `conflict`; of proofs `proven`, `unproven`, `unlinked`
(no way to the checkpoint is shown).
Whatever is not `advanced` must leave tip and head as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge_client.core import verify
from edge_client.core.anchors import Anchors
from edge_client.core.light_client import Advanced, Known, LightClient, Progress
from edge_client.core.trusted import Tip, genesis_head, genesis_tip, verified_head
from edge_client.core.verify import Conflict, Invalid, NotEnoughTrust
from edge_client.protocol import keys, light, mmr, proof_checks
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.encoding import Reader
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.messages import Inclusion
from edge_client.protocol.proof_checks import Anchor
from edge_client.protocol.proofs import ProofFile
from edge_client.protocol.update import UpdateHead

FOLDER = Path(__file__).parent / "vectors" / "light"
Json = Mapping[str, Any]


class Device:
    """What a device would do with the steps of one vector."""

    def __init__(self, vector: Json) -> None:
        genesis = Genesis.decode(_bytes(vector["genesis"]))
        chain_id = genesis.chain_id()
        rules = verify.LightRules(chain_id, genesis.validators, genesis.t0_s, keys.verify)
        checkpoint, trusted = vector["checkpoint"], vector["trusted"]
        tip, head = genesis_tip(chain_id), genesis_head(genesis)
        if trusted["block"] is not None:
            block = light.LightBlock.decode(_bytes(trusted["block"]))
            header, peaks = block.header, mmr.Peaks.decode(_bytes(trusted["peaks"]))
            tip = Tip(header.height, header.hash(chain_id), header.time_s, peaks)
            head = verified_head(block, tip.hash)
        told = checkpoint and Checkpoint(checkpoint["height"], _bytes(checkpoint["hash"]))
        self.client = LightClient(rules, tip, head, told)
        self._anchor = Anchor(chain_id, told)
        self._anchors = Anchors(head, {})

    def verdict(self, step: Json) -> str:
        """What comes of one step; a refusal that changed what is believed is said, too."""
        before = self.client.tip, self.client.head
        said = self._verdict(step)
        if not said.startswith("advanced") and (self.client.tip, self.client.head) != before:
            return f"{said}, but believed"
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
        else:
            progress = self.client.take_run(light.HeaderRun.decode(_bytes(step["run"])))
        if isinstance(progress, Advanced):
            self._anchors.add_headers(progress.headers)
            if progress.head is not None:
                self._anchors.add_head(progress.head)
        return self._words(progress)

    def _words(self, progress: Progress) -> str:
        match progress:
            case Advanced(_, tip):
                head = self.client.head.height
                return f"advanced to {tip.height}" + (f", head {head}" if head != tip.height else "")
            case NotEnoughTrust(first, last):
                return f"headers {first} to {last}"
            case Invalid(reason):
                return f"invalid: {reason.value}"
            case Conflict():
                return "conflict"
            case Known():
                return "known"

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
        return inclusion.update_root == head.update_root and self._anchors.includes(inclusion, head)

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


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text)


def _proven(held: bool) -> str:
    return "proven" if held else "unproven"
