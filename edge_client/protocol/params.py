"""RoundParams: the rules of training that the chain fixes and everybody reads from the state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from edge_client.protocol.encoding import Fixed, Layout
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.hashing import Tag, digest

PARAMS_VERSION = 1
LEARNING_RATE_ONE = 1 << 20
CLIP_ONE = 1 << 20
STALENESS_MAX = 8
UPDATES_PER_BLOCK_MAX = 1024
REGISTRATIONS_PER_BLOCK_MAX = 1023
MINT_MAX = (1 << 32) - 1
"""2^32 rounds of this fit the u64 balance of an account, so that no balance can overflow [MINT-3]."""
BOND_MAX = (1 << 63) - 1
UNBONDING_BLOCKS_MIN, UNBONDING_BLOCKS_MAX = 128, 1 << 20
"""Longer than a signed wish to be a candidate may be played again; and no bond is locked for ever [ELE-1]."""


class Selection(IntEnum):
    """How the participants of a round are chosen [SEL]."""

    ALL = 0
    EXACT = 1
    SORTITION = 2


class Rule(IntEnum):
    """Aggregation rule; others than the clipped mean come with their own issue."""

    CLIPPED_MEAN = 0


class Codec(IntEnum):
    """How a client update is written; the bit `1 << codec` of `codecs` allows it."""

    INT8 = 0


@dataclass(frozen=True, slots=True)
class RoundParams(Fixed):
    """One set of rules; changed only by a PARAMS record, in force from the next round.

    Units: learning rate Q20, clip norm Q20 (L2 norm of a whole update), times in seconds, mint in balance
    units per closed round, `partial_min_pct` = least share of the asked steps that still counts. `sequence`
    counts the changes, so that an old PARAMS record cannot be played again. Every `epoch_blocks` blocks there
    is an election (0: the validators of genesis stay) in which at most `churn_max` seats change; who stands
    for it puts up `bond` balance units, free again `unbonding_blocks` after leaving.
    """

    LAYOUT: ClassVar[Layout] = Layout(
        "RoundParams",
        ("version", "u8"),
        ("optimizer", "u8"),
        ("rule", "u8"),
        ("selection", "u8"),
        ("codecs", "u8"),
        ("partial_min_pct", "u8"),
        ("staleness_max", "u8"),
        ("local_epochs", "u8"),
        ("batch", "u16"),
        ("k", "u16"),
        ("k_max", "u16"),
        ("min_updates", "u16"),
        ("selected", "u16"),
        ("records_wait_s", "u16"),
        ("registrations_max", "u16"),
        ("body_window", "u16"),
        ("round_s", "u32"),
        ("sample_cap", "u32"),
        ("learning_rate_q20", "u32"),
        ("clip_norm_q20", "u32"),
        ("mint", "u64"),
        ("rollback_epsilon_micro", "u32"),
        ("rollback_k", "u8"),
        ("rollback_m", "u8"),
        ("epoch_blocks", "u32"),
        ("churn_max", "u8"),
        ("bond", "u64"),
        ("unbonding_blocks", "u32"),
        ("reserved", "u16"),
        ("sequence", "u32"),
    )
    version: int
    optimizer: int
    rule: int
    selection: int
    codecs: int
    partial_min_pct: int
    staleness_max: int
    local_epochs: int
    batch: int
    k: int
    k_max: int
    min_updates: int
    selected: int
    records_wait_s: int
    registrations_max: int
    body_window: int
    round_s: int
    sample_cap: int
    learning_rate_q20: int
    clip_norm_q20: int
    mint: int
    rollback_epsilon_micro: int
    rollback_k: int
    rollback_m: int
    epoch_blocks: int
    churn_max: int
    bond: int
    unbonding_blocks: int
    reserved: int = 0
    sequence: int = 0

    def check(self) -> None:
        """Refuse contradictions, each by name [PAR-1]."""
        for broken, why in (
            (self.version != PARAMS_VERSION or self.reserved, "unknown version"),
            (self.rule != Rule.CLIPPED_MEAN, "unknown aggregation rule"),
            (self.selection not in tuple(Selection), "unknown selection"),
            (self.codecs != 1 << Codec.INT8, "unknown codec"),
            (self.optimizer != 0, "unknown optimizer"),
            (not 1 <= self.partial_min_pct <= 100, "partial_min_pct is 1 to 100"),
            (self.staleness_max > STALENESS_MAX, f"staleness_max is at most {STALENESS_MAX}"),
            (not (self.local_epochs and self.batch), "local_epochs and batch are at least 1"),
            (not 1 <= self.min_updates <= self.k <= self.k_max, "1 <= min_updates <= k <= k_max"),
            (self.k_max > UPDATES_PER_BLOCK_MAX, f"k_max is at most {UPDATES_PER_BLOCK_MAX}"),
            (self.selection == Selection.EXACT and not self.selected, "selected is at least 1"),
            (not (self.round_s and self.sample_cap), "round_s and sample_cap are at least 1"),
            (not (self.learning_rate_q20 and self.clip_norm_q20), "learning rate and clip norm are above 0"),
            (
                not 1 <= self.registrations_max <= REGISTRATIONS_PER_BLOCK_MAX,
                f"registrations_max is 1 to {REGISTRATIONS_PER_BLOCK_MAX}",
            ),
            (self.mint > MINT_MAX, f"mint is at most {MINT_MAX}"),
            (self.body_window <= self.staleness_max, "body_window is above staleness_max"),
            (
                len({bool(self.epoch_blocks), bool(self.churn_max), bool(self.bond)}) != 1,
                "epoch_blocks, churn_max and bond are all zero (no elections) or all above",
            ),
            (self.bond > BOND_MAX, f"bond is at most {BOND_MAX}"),
            (
                not UNBONDING_BLOCKS_MIN <= self.unbonding_blocks <= UNBONDING_BLOCKS_MAX,
                f"unbonding_blocks is {UNBONDING_BLOCKS_MIN} to {UNBONDING_BLOCKS_MAX}",
            ),
        ):
            if broken:
                raise DecodeError(f"RoundParams: {why}", Reason.OUT_OF_RANGE)

    @property
    def keeps_pace(self) -> bool:
        """Whether no round closes before its deadline [SEL-3]: fewer are asked than would close it."""
        return self.selection == Selection.EXACT and self.selected < self.k

    @property
    def learning_rate(self) -> float:
        """The learning rate as devices use it."""
        return self.learning_rate_q20 / LEARNING_RATE_ONE


@dataclass(frozen=True, slots=True)
class ParamsPair:
    """The rules in force in this round and those of the next: what the `params_hash` leaf commits to."""

    in_force: RoundParams
    next: RoundParams

    def encode(self) -> bytes:
        """Both structs, in force first."""
        return self.in_force.encode() + self.next.encode()

    @classmethod
    def decode(cls, data: bytes) -> ParamsPair:
        """Inverse of `encode`; raises `DecodeError`."""
        half = RoundParams.LAYOUT.size_bytes
        return cls(RoundParams.decode(data[:half]), RoundParams.decode(data[half:]))

    def hash(self) -> bytes:
        """The `params_hash` leaf."""
        return digest(Tag.PARAMS, self.encode())
