"""Production, simulated and emulated fleets run the same classes: looked for where they are built."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import broker
import edge_client
import firmware_profiles
from broker.core.validator import Validator
from broker.service import run_validator
from edge_client.core.agent import Agent
from edge_client.protocol.execution.execute import execute
from firmware_profiles.fleet.device import FleetDevice
from firmware_profiles.twin.device import TwinDevice

PACKAGES = (broker, edge_client, firmware_profiles)
BUILT = {
    Agent: ("edge_client.service", "firmware_profiles.fleet.device"),
    FleetDevice: ("firmware_profiles.emulate.worker", "firmware_profiles.simulate.run"),
    Validator: ("broker.service", "firmware_profiles.simulate.chain"),
    TwinDevice: ("firmware_profiles.fleet.device",),
}


@cache
def sources() -> dict[str, str]:
    """All modules, by name."""
    tops = [Path(next(iter(package.__path__))) for package in PACKAGES]
    return {
        ".".join(file.relative_to(top.parent).with_suffix("").parts): file.read_text(encoding="utf-8")
        for top in tops
        for file in top.rglob("*.py")
    }


def built_in(name: str) -> set[str]:
    """Modules that call a class of this name."""
    call = re.compile(rf"= {name}\(")
    return {module for module, text in sources().items() if call.search(text)}


@pytest.mark.parametrize("built", BUILT, ids=lambda one: one.__name__)
def test_one_class_is_built_everywhere(built: type) -> None:
    assert built_in(built.__name__) == set(BUILT[built])
    for name in BUILT[built]:
        assert getattr(import_module(name), built.__name__) is built
    assert built.__subclasses__() == []


def test_an_emulated_validator_is_the_one_of_production() -> None:
    found = vars(import_module("firmware_profiles.emulate.validators"))
    assert found["run_validator"] is run_validator


def test_all_validators_execute_blocks_with_one_function() -> None:
    assert import_module("broker.core.ledger").execute is execute
