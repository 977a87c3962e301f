"""The validators of a simulated fleet, that live in its world."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from broker.adapters.memory_store import MemoryStore
from broker.core.consensus.events import Diverged, Evidence, Timing
from broker.core.effects import EndRejoin, LogGap
from broker.core.identity import Identity
from broker.core.ledger import Clock
from broker.core.validator import Validator, ValidatorSetup
from broker.core.verified import VerifyOnce
from broker.founding import ChainFiles
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.keys import Signer, verify
from edge_client.protocol.params import ParamsPair
from firmware_profiles.fleet.founding import Founding
from firmware_profiles.simulate.world import Node, World
from firmware_profiles.twin.draws import drawn

VERDICTS_MAX = 1 << 18
"""Signature checks that are remembered: those of all that is still on its way."""


class SimulationError(RuntimeError):
    """The rehearsal cannot go on: our own bug, or a chain that forked."""


@dataclass(slots=True)
class Chain:
    """One chain and its validators; `verify` is shared by all nodes of the world."""

    files: ChainFiles
    rules: Rules
    signers: tuple[Signer, ...]
    seed: int
    stores: dict[int, MemoryStore] = field(default_factory=dict)
    starts: int = 0

    @classmethod
    def found(cls, founding: Founding, graph: bytes) -> Chain:
        """A chain that is the same for the same arguments."""
        signers = tuple(founding.validator(number) for number in range(founding.fleet.job.validators))
        files = founding.chain(graph)
        rules = Rules(files.genesis, files.chain_id, VerifyOnce(verify, VERDICTS_MAX))
        return cls(files, rules, signers, founding.seed)

    def start_validator(self, world: World, number: int) -> Node:
        """Start a validator, from its store if it ran before."""
        store = self.stores.setdefault(number, self._store())
        self.starts += 1
        identity = Identity.of(self.rules, self.signers[number])
        clock = Clock(self.files.genesis.t0_s)
        setup = ValidatorSetup(identity, clock, Timing(), drawn(self.seed, "start", self.starts))
        executors: dict[type[Any], Any] = {
            **store.executors(),
            Evidence: lambda _effect: None,
            Diverged: _fail,
            LogGap: _fail,
            EndRejoin: _fail,
        }
        validator = Validator(setup, store, store.load())
        node = Node(world, identity.name, validator, executors)
        node.key = identity.signer.public_key
        return world.add(node)

    def _store(self) -> MemoryStore:
        files, genesis = self.files, self.files.genesis
        pair = ParamsPair(genesis.params, genesis.params)
        return MemoryStore(
            {
                (ObjectKind.GENESIS, files.chain_id): genesis.encode(),
                (ObjectKind.GRAPH, genesis.graph_root): files.graph,
                (ObjectKind.MODEL, genesis.model_root): files.model,
                (ObjectKind.PARAMS, pair.hash()): pair.encode(),
            }
        )


def _fail(effect: object) -> None:
    raise SimulationError(f"a validator says {type(effect).__name__}: {effect}")
