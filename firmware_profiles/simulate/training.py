"""What a simulated board has learned when the time of its work is over, if it does not really train: nothing
(`none`), or what another board once learned (`replay`)."""

from __future__ import annotations

from collections.abc import Sequence

from firmware_profiles.fleet.work import LOSS_MICRO, Outcome, Work, finished, random_codes
from firmware_profiles.lesson.bank import Bank


def nothing(work: Work) -> Sequence[Outcome]:
    """`--train none`: for what does not ask about accuracy. The same for the same order."""
    codes = random_codes(work.genesis.manifest.sizes, work.order.seed)
    return [finished(work, codes, (LOSS_MICRO, LOSS_MICRO))]


class Replay:
    """`--train replay`: what a device with this share of the data once learned, from a model of that age."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def __call__(self, work: Work) -> Sequence[Outcome]:
        """The same on every machine."""
        found = self._bank.update(work.order.round, work.setup.share)
        return [finished(work, found.body, (found.loss_before_micro, found.loss_after_micro))]
