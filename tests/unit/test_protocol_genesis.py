"""[GEN-1] to [GEN-3]: the struct a chain starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_client.protocol.errors import DecodeError
from edge_client.protocol.genesis import Admission, Genesis
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.validators import ValidatorSet
from tests.builders import make_genesis, make_params, make_signers

KEYS = tuple(one.public_key for one in make_signers(6, "owner"))


def test_the_chain_id_is_the_hash_of_the_bytes() -> None:
    genesis = make_genesis()
    assert Genesis.decode(genesis.encode()) == genesis
    assert genesis.chain_id() == digest(Tag.GENESIS, genesis.encode())


@pytest.mark.parametrize("validators", [1, 4, 16])
@pytest.mark.parametrize("admission", Admission)
def test_every_shape_reads_back(validators: int, admission: Admission) -> None:
    genesis = make_genesis(validators, admission)
    assert Genesis.decode(genesis.encode()) == genesis


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"owner_threshold": 0}, "0 of 3 owners"),
        ({"owner_threshold": 4}, "4 of 3 owners"),
        ({"owners": (), "owner_threshold": 0}, "0 of 0 owners"),
        ({"owners": KEYS[:5]}, "5 entries"),
        ({"owners": (KEYS[0], KEYS[0])}, "twice"),
        ({"owners": (bytes(32), KEYS[0])}, "small order"),
        ({"validators": ValidatorSet((KEYS[0], bytes(32)))}, "small order"),
        ({"admission": Admission.LIST}, "list of admitted keys"),
        ({"admitted": KEYS[:1]}, "list of admitted keys"),
        ({"admission": Admission.LIST, "admitted": (KEYS[0], KEYS[0])}, "twice"),
        ({"admission": 3}, "admission 3"),
        ({"graph_bytes": 0}, "0 bytes"),
        ({"graph_bytes": (64 << 20) + 1}, "67108865 bytes"),
        ({"params": make_params(sequence=1)}, "sequence 0"),
        ({"params": make_params(batch=5)}, "batch 5, the graph has 4"),
        ({"params": replace(make_params(), k=0)}, "min_updates"),
    ],
    ids=str,
)
def test_a_genesis_that_contradicts_itself_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        Genesis.decode(replace(make_genesis(), **change).encode())


def test_another_version_is_refused() -> None:
    with pytest.raises(DecodeError, match="version"):
        Genesis.decode(b"\x02" + make_genesis().encode()[1:])
