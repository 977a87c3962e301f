"""What the agent is told and what it asks of its shell, beside the events and effects of every machine.

A Save* effect is durable before the next effect is executed; that is why it stands before the Publish that
depends on it. After a crash `Stored` holds exactly what was saved, and the agent goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edge_client.core.conditions.prediction import Cost, Spent
from edge_client.core.conditions.readings import Conditions
from edge_client.core.trusted import Tip, TrustedHead
from edge_client.core.vouching import Vouching
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.body import RecordProof
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.consent import Wish
from edge_client.protocol.errors import Reason
from edge_client.protocol.handoff import Handoff, TrustedSet
from edge_client.protocol.header import AppLeaves, StateLeaves
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.machine import SharedEffect, TransportEvent, Woke
from edge_client.protocol.params import ParamsPair, RoundParams
from edge_client.protocol.proofs import AncestorProof
from edge_client.protocol.update import UpdateHead

# --- training ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """What to train. `seed` (32 bytes) draws the order of samples and the rounding; parts of the residual
    that became free before `residual_round_min` are too old and are dropped. The header of `head_height`
    commits to `app` and so to the model."""

    round: int
    base_height: int
    model_root: bytes
    params: RoundParams
    seed: bytes
    residual_round_min: int
    head_height: int
    app: AppLeaves
    steps_max: int | None = None


@dataclass(frozen=True, slots=True)
class StartTraining:
    """Train in the background, from the order's checkpoint if one was saved; `TrainingFinished` or
    `TrainingFailed` comes back, or `TrainingPaused` when that was asked for."""

    order: TrainingOrder


@dataclass(frozen=True, slots=True)
class StopTraining:
    """Give the running work up; whatever it still reports is ignored."""

    round: int


@dataclass(frozen=True, slots=True)
class PauseTraining:
    """Stop at the next step, keep what was done; `TrainingPaused` comes back unless the work just ended."""

    round: int


@dataclass(frozen=True, slots=True)
class TrainingPaused:
    """The work of the order stopped after so many steps; the object `checkpoint_root` is enough to go on to
    the result that was coming."""

    round: int
    checkpoint_root: bytes
    steps: int


@dataclass(frozen=True, slots=True)
class TrainingFinished:
    """The work of a round. The update's body and the new residue are already stored as objects; `consumed`
    names the parts of the residual that went into the body and must disappear together with its saving.
    `cost` is None where nobody measured."""

    round: int
    update_root: bytes
    size_bytes: int
    chunk_hashes: tuple[bytes, ...]
    residue_root: bytes
    consumed: tuple[bytes, ...]
    samples: int
    steps: int
    loss_before_micro: int
    loss_after_micro: int
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class TrainingFailed:
    """The round could not be trained (data that do not fit, no runtime, ...); `worked`: steps were done."""

    round: int
    why: str
    worked: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """How a model does on the local hold-out: share of right answers (0 if it learns values), mean loss."""

    accuracy: float
    loss: float


@dataclass(frozen=True, slots=True)
class ModelMeasured:
    """The three models a device can compare, on the same `samples` of its hold-out, which nobody trained on:
    the first one of the chain, the one of the order, and that after its own training."""

    order: TrainingOrder
    samples: int
    initial: Score
    model: Score
    own: Score


@dataclass(frozen=True, slots=True)
class ConditionsRead:
    """A look at the board; at least every second while it trains."""

    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Trusts:
    """The owner vouches for a header."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Stopping:
    """The process ends after the effects of this event; other devices may see it."""


@dataclass(frozen=True, slots=True)
class Wished:
    """The owner's latest word about a seat; None takes an open wish back."""

    wish: Wish | None


@dataclass(frozen=True, slots=True)
class SettleWish:
    """The wish is no longer open: `outcome` is `done`, or why it cannot be."""

    outcome: str


AgentEvent = (
    TransportEvent
    | Woke
    | TrainingFinished
    | TrainingFailed
    | TrainingPaused
    | ModelMeasured
    | ConditionsRead
    | Wished
    | Trusts
    | Stopping
)
"""Everything the agent takes."""

# --- saving -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SaveObject:
    """Keep a fetched object: GENESIS, GRAPH or MODEL."""

    kind: ObjectKind
    root: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class DropObject:
    """Forget an object nothing needs any more."""

    root: bytes


@dataclass(frozen=True, slots=True)
class SaveChain:
    """Append linked headers (84 bytes each, the last has `tip.height`) and move the tip; one transaction.

    `head` is None while a long run is still being linked; `signing` is the validator set of the tip's epoch.
    With an `extension` there is a gap before them, and it shows that their history begins with ours. With a
    `vouching` it was the owner's word that led there, and that is how it showed the validators.
    """

    linked: tuple[bytes, ...]
    tip: Tip
    head: TrustedHead | None
    signing: TrustedSet
    extension: tuple[bytes, ...] = ()
    vouching: Vouching | None = None


@dataclass(frozen=True, slots=True)
class SaveHandoffs:
    """Keep verified handoffs: how later validator sets were reached, also for proofs to others."""

    handoffs: tuple[Handoff, ...]


@dataclass(frozen=True, slots=True)
class SaveParams:
    """Keep the rules of training that the head commits to."""

    params: ParamsPair


@dataclass(frozen=True, slots=True)
class SaveAccount:
    """Keep the proof of the own account as of `height`; the leaves of that block show it to others."""

    height: int
    proof: AccountProof
    app: AppLeaves
    state: StateLeaves


@dataclass(frozen=True, slots=True)
class PendingUpdate:
    """An update whose fate is open: its signed head and the hashes of its chunks."""

    head: UpdateHead
    chunk_hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SaveUpdate:
    """Keep a finished update and swap the residual, in one transaction: the update becomes pending, the parts
    in `consumed` disappear, `residue_root` becomes a part of the round of the update, and what it did cost is
    kept for predictions."""

    update: PendingUpdate
    residue_root: bytes
    consumed: tuple[bytes, ...]
    spent: Spent | None = None


class Fate(str, Enum):
    """What became of an update."""

    PENDING = "pending"
    INCLUDED = "included"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class SettleUpdate:
    """The update is final, once: in one transaction its fate is written and, unless it was included, its body
    becomes a part of the residual that is `round` old (the round now open). `proof` shows an included one in
    the block of `height`, if a validator did; `at` shows that block when its header was jumped over."""

    update_root: bytes
    fate: Fate
    reason: Reason | None
    height: int
    round: int
    proof: RecordProof | None = None
    at: AncestorProof | None = None


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Interrupted work: its order, and the object that leads on to its result."""

    order: TrainingOrder
    root: bytes


@dataclass(frozen=True, slots=True)
class SaveCheckpoint:
    """Keep the interrupted work, instead of what was kept before; None forgets that."""

    interrupted: Interrupted | None


@dataclass(frozen=True, slots=True)
class SaveConflict:
    """Keep the evidence that validators finalised two histories; the device trains no more."""

    why: str
    evidence: bytes


@dataclass(frozen=True, slots=True)
class SaveMeasure:
    """Keep what was measured and, while it is among the few worth keeping, the model."""

    measured: ModelMeasured


@dataclass(frozen=True, slots=True)
class SaveGivenUp:
    """Keep why a round was left out, for `history`; with `spent` it counts among the rounds of the day."""

    round: int
    why: str
    spent: Spent | None = None


@dataclass(frozen=True, slots=True)
class PublishChunk:
    """Publish piece `index` of the stored object `root`; the machine does not hold large bodies."""

    topic: str
    root: bytes
    index: int
    token: int


@dataclass(frozen=True, slots=True)
class Halt:
    """The owner must decide; nothing is done any more until then."""

    why: str


@dataclass(frozen=True, slots=True)
class GoOffline:
    """Say goodbye to the MQTT server, after what is queued, and use no byte until `GoOnline`. What was under
    way may still be reported."""


@dataclass(frozen=True, slots=True)
class GoOnline:
    """Connect again; `LinkUp` comes back."""


AgentEffect = (
    SharedEffect
    | SaveObject
    | DropObject
    | SaveChain
    | SaveHandoffs
    | SaveParams
    | SaveAccount
    | SaveUpdate
    | SaveCheckpoint
    | SettleUpdate
    | SaveConflict
    | SaveMeasure
    | SaveGivenUp
    | PublishChunk
    | StartTraining
    | PauseTraining
    | StopTraining
    | Halt
    | SettleWish
    | GoOffline
    | GoOnline
)
"""Everything the agent asks for."""
