"""What the consensus machine is told and what it asks for.

Beside these events it takes `LinkUp`, `LinkLost` and `Woke`, and beside these effects it gives `Refused`, all
of `edge_client.protocol.machine`. `sender` is the index of the validator on whose topic a message came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from broker.core.consensus.justification import Parent
from edge_client.protocol.header import Header
from edge_client.protocol.machine import LinkLost, LinkUp, Refused, Woke
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.votes import Certificate, Proposal, Snapshot, Vote


@dataclass(frozen=True, slots=True)
class Timing:
    """Every waiting time, in milliseconds."""

    slot_timeout_ms: int = 2_000
    slot_timeout_max_ms: int = 60_000
    snapshot_interval_ms: int = 500
    slot_snapshot_ms: int = 100
    """After entering a slot; an FC normally follows sooner, and then one snapshot does for both."""
    resend_ms: int = 1_000

    def timeout_ms(self, slots_lost: int) -> int:
        """How long a slot may take after `slots_lost` slots without a final block: doubles with each."""
        doublings = min(slots_lost, self.slot_timeout_max_ms.bit_length())
        return min(self.slot_timeout_ms << doublings, self.slot_timeout_max_ms)


def any_slot(_slot: int) -> bool:
    """A gate that stands open."""
    return True


@dataclass(frozen=True, slots=True)
class Setup:
    """What one instance is for: one epoch of one chain. An observer has no `own_index` and never signs.

    `root` is what the epoch's first block stands on: genesis, or the block that sealed the epoch before,
    with the slot in its header (the slots it became final in may differ from one validator to another).

    `may_sign` is asked before each signature, with its slot (`guard.Guard`); say `Woke` when it opens.
    """

    chain_id: bytes
    epoch: int
    root: Parent
    leader_seed: bytes
    validators: ValidatorSet
    own_index: int | None
    timing: Timing = Timing()
    may_sign: Callable[[int], bool] = any_slot


@dataclass(frozen=True, slots=True)
class FinalBlock:
    """A decided block, its FC and that one's slot. The root of an epoch has none in it; of another block it
    may be unknown after a crash (`slot` is then the header's), and nobody leads from it."""

    height: int
    hash: bytes
    slot: int
    certificate: Certificate | None

    @classmethod
    def root(cls, root: Parent) -> FinalBlock:
        """Where an epoch begins."""
        return cls(root.height, root.hash, root.slot, None)


class Verdict(Enum):
    """What the host found out about a block. Only VALID and INVALID are the same for everybody."""

    VALID = "valid"
    INVALID = "invalid"
    UNTIMELY = "untimely"
    """Not now: its time is outside the window."""


@dataclass(frozen=True, slots=True)
class RoundDue:
    """Whether the host has something to decide on top of the last `Decided` block.

    Remembered until the next block is decided, which sets it to False: the host says it anew after each.
    """

    due: bool


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """A proposal came; who relays it does not matter, its signature does."""

    sender: int
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class VoteReceived:
    """A validator published one of its own votes."""

    sender: int
    vote: Vote


@dataclass(frozen=True, slots=True)
class CertificateReceived:
    """A certificate came outside a snapshot, for example with a head."""

    sender: int
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class SnapshotReceived:
    """A validator published its anti-entropy snapshot."""

    sender: int
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class BlockChecked:
    """Answer to `CheckBlock` or `FetchBlock`: what came of executing the body on the parent it names.

    VALID means that header and body are stored (synced): this validator may now vote for the block.
    `seals`: the block ends the epoch, none of it may follow.
    """

    header: Header
    justification: tuple[Certificate, ...]
    verdict: Verdict = Verdict.VALID
    fault: str = ""
    seals: bool = False


@dataclass(frozen=True, slots=True)
class BlockBuilt:
    """Answer to `BuildBlock`: a header whose body is stored (synced) and carries that very justification.
    `seals` as in `BlockChecked`."""

    header: Header
    justification: tuple[Certificate, ...]
    seals: bool = False


@dataclass(frozen=True, slots=True)
class Finalised:
    """The host caught up by block sync: it executed the chain up to this block, which `certificate` names.
    `seals` as in `BlockChecked`; a host that went on into a later epoch starts an instance of that one."""

    header: Header
    certificate: Certificate
    seals: bool = False


Message = ProposalReceived | VoteReceived | CertificateReceived | SnapshotReceived
"""What comes from peers and may be wrong in any way."""

Event = Message | RoundDue | BlockChecked | BlockBuilt | Finalised | LinkUp | LinkLost | Woke
"""Everything the machine can be told."""


@dataclass(frozen=True, slots=True)
class Persist:
    """Append to the log (`log_entries.encode_entry`), synced before the next Broadcast or PublishSnapshot."""

    entry: Vote | Proposal | Certificate


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Publish to all validators; may be lost."""

    message: Proposal | Vote


@dataclass(frozen=True, slots=True)
class PublishSnapshot:
    """Replace this validator's retained snapshot."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class BuildBlock:
    """Make a block for `slot` on this parent, the decided head, body with exactly this justification; answer
    `BlockBuilt` when there is something to put into it."""

    slot: int
    parent_hash: bytes
    parent_height: int
    justification: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class CheckBlock:
    """Get the body, check the block for a vote now (with R2's time window), store it; answer `BlockChecked`.

    No answer while the body cannot be had: the slot timer takes care of that.
    """

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class FetchBlock:
    """A certified block, or an ancestor of one, that was not reported valid: get it from any peer with those
    ancestors that are missing, check it without the time window, answer `BlockChecked`, ancestors first.

    Asked once per block, also when `CheckBlock` was; the host retries. A host that is far behind may sync by
    height and say `Finalised` instead. INVALID stops the machine (`Diverged`).
    """

    hash: bytes
    height: int
    slot: int


@dataclass(frozen=True, slots=True)
class Decided:
    """R6: these blocks, in height order, are final; the certificate names the last. When that one seals the
    epoch, the machine has ended (`Simplex.ended`): the host starts one for the next epoch on this root.

    Log entries of slots below the certificate's may be deleted once this is stored.
    """

    certificate: Certificate
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two messages that validator `offender` signed with `key` and an honest one never signs both of."""

    offender: int
    key: bytes
    first: Vote | Proposal
    second: Vote | Proposal


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A genuine signature of this validator came back that its log should hold and does not."""

    signed: Vote | Proposal


@dataclass(frozen=True, slots=True)
class Diverged:
    """More than f validators, or this one, are wrong about the chain. The machine has stopped for good."""

    detail: str


Effect = (
    Persist
    | Broadcast
    | PublishSnapshot
    | BuildBlock
    | CheckBlock
    | FetchBlock
    | Decided
    | Evidence
    | Forgotten
    | Diverged
    | Refused
)
"""Everything the machine can ask for."""
