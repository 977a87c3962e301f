"""A whole network in one thread and virtual time: real machines, memory transport, memory stores.

Time and nodes are those of the fleet twin; here is what a chain of validators needs.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from broker.adapters.memory_store import MemoryStore
from broker.core.consensus.events import Diverged, Evidence, Timing
from broker.core.effects import LogGap, StoreFinal
from broker.core.guard import LISTEN_FIRST, Standing
from broker.core.identity import Identity
from broker.core.ledger import Clock
from broker.core.validator import Validator, ValidatorSetup
from broker.core.verified import VerifyOnce
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.keys import Signer, verify
from edge_client.protocol.params import ParamsPair
from edge_client.runtime.memory import Hop, ServerRules
from firmware_profiles.simulate.world import Node
from firmware_profiles.simulate.world import World as VirtualWorld
from tests.builders import GRAPH_BYTES, make_model


class World(VirtualWorld):
    """One chain, one MQTT server, virtual time in Unix milliseconds."""

    def __init__(
        self, genesis: Genesis, signers: tuple[Signer, ...], rules: ServerRules | None = None
    ) -> None:
        super().__init__(genesis.t0_s * 1000, rules)
        self.genesis = genesis
        self.signers = signers
        self.rules = Rules(genesis, genesis.chain_id(), verify)
        self.evidence: list[Evidence] = []
        self.stores: dict[int, MemoryStore] = {}
        self.gaps: list[LogGap] = []
        self.starts = 0
        self.first_block: StoreFinal | None = None
        """Put on every validator's disk before it starts."""

    def add_validator(self, index: int, standing: Standing = LISTEN_FIRST) -> Node:
        """Start validator `index`, from its store if it ran before; a gap in its log ends it."""
        store = self.stores.get(index)
        if store is None:
            chain_id = self.rules.chain_id
            pair = ParamsPair(self.genesis.params, self.genesis.params)
            initial = make_model(self.genesis.manifest)
            objects = {
                (ObjectKind.GENESIS, chain_id): self.genesis.encode(),
                (ObjectKind.GRAPH, self.genesis.graph_root): GRAPH_BYTES,
                (ObjectKind.MODEL, self.genesis.model_root): initial,
                (ObjectKind.PARAMS, pair.hash()): pair.encode(),
            }
            store = self.stores[index] = MemoryStore(objects)
            if self.first_block is not None:
                store.store_final(self.first_block)
        self.starts += 1
        rules = Rules(self.genesis, self.rules.chain_id, VerifyOnce(verify))
        identity = Identity.of(rules, self.signers[index])
        seed = f"start {self.starts}".encode()
        setup = ValidatorSetup(identity, Clock(self.genesis.t0_s), Timing(), seed, standing)
        validator = Validator(setup, store, store.load())
        executors: dict[type[Any], Any] = {
            **store.executors(),
            Evidence: self.evidence.append,
            Diverged: _raise,
        }
        node = Node(self, identity.name, validator, executors)
        node.executors[LogGap] = partial(self._stop, node)
        node.key = identity.signer.public_key
        self.add(node)
        return node

    def _stop(self, node: Node, gap: LogGap) -> None:
        self.gaps.append(gap)
        node.kill()

    def validators(self) -> list[Validator]:
        """The running validators."""
        return [node.machine for node in self.nodes if isinstance(node.machine, Validator)]


def _raise(effect: Diverged) -> None:
    raise AssertionError(effect.detail)


def lossy(seed: int, drop_pct: int) -> ServerRules:
    """Links that delay everything, repeat some, and lose `drop_pct` of it."""
    generator = random.Random(seed)

    def link(_hop: Hop) -> tuple[int, ...]:
        roll = generator.randrange(100)
        delay_ms = generator.randrange(1, 200)
        if roll < drop_pct:
            return ()
        return (delay_ms, delay_ms + 50) if roll > 95 else (delay_ms,)

    return ServerRules(link=link)
