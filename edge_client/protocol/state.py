"""The state a header commits to: accounts, rules, where learning stands, and who may sign."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from edge_client.protocol.accounts import Accounts
from edge_client.protocol.encoding import Fixed, Layout
from edge_client.protocol.hashing import ZERO_HASH, Tag, digest
from edge_client.protocol.header import AppLeaves, StateLeaves
from edge_client.protocol.params import ParamsPair
from edge_client.protocol.seats import Seats


@dataclass(frozen=True, slots=True)
class Learning(Fixed):
    """The open round. It was opened by the block of `opened_height` at `opened_at_s` (chain time); `seed` is
    that header's history root (the chain id for round 1); a device takes part when its lot is <= `theta`.
    The last three roots are zero until their features exist."""

    LAYOUT: ClassVar[Layout] = Layout(
        "Learning",
        ("round", "u32"),
        ("opened_height", "u32"),
        ("opened_at_s", "u32"),
        ("updates", "u32"),
        ("theta", "u64"),
        ("seed", "b32"),
        ("bases_root", "b32"),
        ("best_root", "b32"),
        ("optimizer_root", "b32"),
        ("downlink_root", "b32"),
    )
    round: int
    opened_height: int
    opened_at_s: int
    updates: int
    theta: int
    seed: bytes
    bases_root: bytes
    best_root: bytes = ZERO_HASH
    optimizer_root: bytes = ZERO_HASH
    downlink_root: bytes = ZERO_HASH

    def root(self) -> bytes:
        """`learning_root`."""
        return digest(Tag.LEARNING, self.encode())


@dataclass(frozen=True, slots=True)
class Base(Fixed):
    """A model that updates may still be based on: that of `round`, and how that round was selected."""

    LAYOUT: ClassVar[Layout] = Layout(
        "Base", ("round", "u32"), ("height", "u32"), ("theta", "u64"), ("seed", "b32"), ("model_root", "b32")
    )
    round: int
    height: int
    theta: int
    seed: bytes
    model_root: bytes


def bases_root(bases: tuple[Base, ...]) -> bytes:
    """What `Learning.bases_root` commits to: the list, oldest first."""
    return digest(Tag.BASES, *(base.encode() for base in bases))


@dataclass(frozen=True, slots=True)
class ChainState:
    """Everything `execute` reads and writes. The last of `bases` is the model of the open round."""

    accounts: Accounts
    params: ParamsPair
    learning: Learning
    bases: tuple[Base, ...]
    seats: Seats

    @property
    def model_root(self) -> bytes:
        """Root of the current model."""
        return self.bases[-1].model_root

    def base_of(self, round_number: int) -> Base | None:
        """The base of a round that is still accepted, or None."""
        return next((base for base in self.bases if base.round == round_number), None)

    def state_leaves(self) -> StateLeaves:
        """Leaves under `state_root`."""
        return StateLeaves(self.accounts.root(), self.params.hash(), self.learning.root(), self.seats.root())

    def app_leaves(self) -> AppLeaves:
        """Leaves under `app_root`."""
        seats = self.seats
        root = self.state_leaves().root()
        return AppLeaves(self.model_root, root, seats.validators.root(), seats.next_validators.root())

    def rolled(self, height: int) -> ChainState:
        """What the block of `height` on this state is executed on: its epoch and its seats are those a header
        of that height must have [SEA-3]."""
        seats = self.seats.rolled(height)
        return self if seats is self.seats else replace(self, seats=seats)
