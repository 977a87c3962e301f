"""A validator that dies between any two of its effects, and is started again on what is on its disk."""

from __future__ import annotations

import pytest

from broker.core.validator import ValidatorEffect, ValidatorEvent
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import ACCEPTED, SubmitRecord
from tests.builders import MadeUpdate, register
from tests.lone_validator import LoneValidator, receipts
from tests.promises import Promises

DEVICES = 2
ROUNDS = 3
TRIES_MAX = 60
EFFECTS_MIN = 80
PARTS = 4


class CrashError(Exception):
    """The process is gone."""


class MortalValidator(LoneValidator):
    """Dies once, instead of executing effect number `dies_at`; every message is held against the disk."""

    def __init__(self, dies_at: int) -> None:
        self.dies_at = dies_at
        self.executed_count = 0
        self.promises: Promises | None = None
        super().__init__(k=DEVICES)

    def give(self, event: ValidatorEvent) -> list[ValidatorEffect]:
        try:
            return super().give(event)
        except CrashError:
            self.start()
            return []

    def execute(self, effect: ValidatorEffect) -> None:
        self.executed_count += 1
        if self.executed_count == self.dies_at:
            raise CrashError
        if isinstance(effect, Publish):
            self.promises = self.promises or Promises(self.store, self.chain_id)
            self.promises.check(effect)
        super().execute(effect)


class Devices:
    """They say everything again until it is acknowledged, as devices do."""

    def __init__(self, lone: LoneValidator) -> None:
        self.lone = lone
        self.made: dict[tuple[int, int], MadeUpdate] = {}

    def insist(self) -> None:
        """One try of everything that is open."""
        lone = self.lone
        for signer in lone.devices[:DEVICES]:
            if lone.state.accounts.index_of(signer.public_key) is None:
                lone.ask(signer, SubmitRecord(register(signer, lone.chain_id)))
        for account in range(len(lone.state.accounts)):
            key = (lone.state.learning.round, account)
            if key not in self.made:
                self.made[key] = lone.make_update(account)
        has_receipt = {one.update_root for one in receipts(lone.effects) if one.verdict == ACCEPTED}
        for (_, account), made in self.made.items():
            if made.head.update_root not in has_receipt:
                lone.offer(lone.signer_of(account), made)
                lone.chunks(lone.signer_of(account), made)


def live(lone: MortalValidator) -> Devices:
    """Until all rounds are done."""
    devices = Devices(lone)
    for _ in range(TRIES_MAX):
        if lone.state.learning.round > ROUNDS:
            return devices
        devices.insist()
        lone.run(1_000)
    raise AssertionError(f"stuck in round {lone.state.learning.round}")


@pytest.fixture(scope="module")
def effects_count() -> int:
    """How many effects the validator has in a life without a crash, with all promises kept."""
    whole = MortalValidator(dies_at=0)
    live(whole)
    assert whole.starts == 1
    assert whole.promises is not None
    assert whole.promises.count >= EFFECTS_MIN // 4
    assert whole.executed_count >= EFFECTS_MIN
    return whole.executed_count


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_between_any_two_effects_nothing_acknowledged_is_lost_and_nothing_signed_twice(
    part: int, effects_count: int
) -> None:
    for dies_at in range(1 + part, effects_count + 1, PARTS):
        lone = MortalValidator(dies_at)
        live(lone)
        assert lone.starts == 2, dies_at
        assert lone.promises is not None
        for root, verdicts in lone.promises.receipts.items():
            assert verdicts == {ACCEPTED}, dies_at
            assert lone.store.inclusion(root) is not None, dies_at
