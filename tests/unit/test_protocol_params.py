"""[PAR-1] to [PAR-3]: rules that contradict themselves are refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.params import BOND_MAX, MINT_MAX, UNBONDING_BLOCKS_MAX, ParamsPair, RoundParams
from tests.builders import make_params


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "version"),
        ({"reserved": 1}, "version"),
        ({"rule": 1}, "rule"),
        ({"selection": 3}, "selection"),
        ({"codecs": 0}, "codec"),
        ({"codecs": 3}, "codec"),
        ({"optimizer": 1}, "optimizer"),
        ({"partial_min_pct": 0}, "partial_min_pct"),
        ({"partial_min_pct": 101}, "partial_min_pct"),
        ({"staleness_max": 9}, "staleness_max"),
        ({"local_epochs": 0}, "local_epochs"),
        ({"batch": 0}, "batch"),
        ({"min_updates": 0}, "min_updates"),
        ({"min_updates": 3}, "min_updates"),
        ({"k": 9}, "k_max"),
        ({"k_max": 1025}, "k_max"),
        ({"selection": 1, "selected": 0}, "selected"),
        ({"round_s": 0}, "round_s"),
        ({"sample_cap": 0}, "sample_cap"),
        ({"learning_rate_q20": 0}, "learning rate"),
        ({"clip_norm_q20": 0}, "clip norm"),
        ({"registrations_max": 0}, "registrations_max"),
        ({"registrations_max": 1024}, "registrations_max"),
        ({"mint": MINT_MAX + 1}, "mint"),
        ({"body_window": 8}, "body_window"),
        ({"epoch_blocks": 8}, "epoch_blocks, churn_max and bond"),
        ({"epoch_blocks": 8, "churn_max": 1}, "epoch_blocks, churn_max and bond"),
        ({"churn_max": 1, "bond": 1}, "epoch_blocks, churn_max and bond"),
        ({"epoch_blocks": 8, "churn_max": 1, "bond": BOND_MAX + 1}, "bond is at most"),
        ({"unbonding_blocks": 127}, "unbonding_blocks"),
        ({"unbonding_blocks": UNBONDING_BLOCKS_MAX + 1}, "unbonding_blocks"),
    ],
    ids=str,
)
def test_contradictions_are_refused_by_name(change: dict[str, Any], why: str) -> None:
    with pytest.raises(DecodeError, match=why) as caught:
        RoundParams.decode(replace(make_params(), **change).encode())
    assert caught.value.reason == Reason.OUT_OF_RANGE


@pytest.mark.parametrize(
    "change",
    [
        {"k": 1024, "k_max": 1024, "min_updates": 1024},
        {"mint": MINT_MAX},
        {"mint": 0},
        {"staleness_max": 0, "body_window": 1},
        {"selection": 1, "selected": 2},
        {"selection": 1, "selected": 1},
        {"partial_min_pct": 1},
        {"partial_min_pct": 100},
        {"learning_rate_q20": 1},
        {"registrations_max": 1023},
        {"epoch_blocks": 1, "churn_max": 1, "bond": 1},
        {"epoch_blocks": 2**32 - 1, "churn_max": 255, "bond": BOND_MAX},
        {"unbonding_blocks": UNBONDING_BLOCKS_MAX},
    ],
    ids=str,
)
def test_limits_themselves_are_allowed(change: dict[str, Any]) -> None:
    params = make_params(**change)
    assert RoundParams.decode(params.encode()) == params


def test_no_balance_can_overflow() -> None:
    rounds_max = 2**32 - 1
    assert MINT_MAX * rounds_max < 2**64


def test_a_pair_is_hashed_in_order() -> None:
    one, other = make_params(), make_params(k=3, sequence=1)
    assert ParamsPair.decode(ParamsPair(one, other).encode()) == ParamsPair(one, other)
    assert ParamsPair(one, other).hash() != ParamsPair(other, one).hash()


def test_the_learning_rate_devices_use() -> None:
    assert make_params(learning_rate_q20=1 << 17).learning_rate == 0.125
