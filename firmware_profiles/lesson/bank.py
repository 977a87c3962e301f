"""A bank of updates that were really trained: for each age of the model and each share of the data, one."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_client.protocol.update import UpdateBody
from edge_client.runtime.files import replace

LAST_STAGES = 8
"""A model older than the bank gets the updates of its last stages in turn: by then they only move it about
its place."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One update, and the losses its head reports, in millionths."""

    body: UpdateBody
    loss_before_micro: int
    loss_after_micro: int


@dataclass(frozen=True, slots=True)
class Bank:
    """`codes` int8 [stages, shares, parameters], `exponents` int8 [stages, shares, tensors], `losses_micro`
    uint32 [stages, shares, 2]."""

    codes: npt.NDArray[np.int8]
    exponents: npt.NDArray[np.int8]
    losses_micro: npt.NDArray[np.uint32]

    def update(self, round_number: int, share: int) -> Recorded:
        """What a device with this share sends in this round (from 1)."""
        stages, shares = self.codes.shape[:2]
        stage = round_number - 1
        if stage >= stages:
            stage = stages - LAST_STAGES + (stage - stages) % LAST_STAGES
        at = stage, share % shares
        body = UpdateBody(tuple(int(one) for one in self.exponents[at]), self.codes[at])
        before, after = (int(one) for one in self.losses_micro[at])
        return Recorded(body, before, after)

    def write(self, path: Path) -> None:
        """As a compressed .npz file, whole or not at all. Raises `OSError`."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, codes=self.codes, exponents=self.exponents, losses_micro=self.losses_micro
        )
        replace(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> Bank:
        """The inverse of `write`."""
        with np.load(path) as stored:
            return cls(stored["codes"], stored["exponents"], stored["losses_micro"])


def shipped_bank() -> Bank:
    """That of `edge-fleet record` with its defaults."""
    return Bank.read(Path(str(files("firmware_profiles") / "data" / "digits-bank.npz")))
