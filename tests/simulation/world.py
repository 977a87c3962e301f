"""A whole network in one thread and virtual time: real machines, memory transport, memory stores.

Nodes are added with `add_validator` / `add_node`; `run` advances time to whatever is due next. Everything
random comes from the caller, so a seed replays.
"""

from __future__ import annotations

from collections.abc import Callable
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
from edge_client.protocol.machine import Machine, Note, Publish, Refused, Subscribe, Unsubscribe, Woke
from edge_client.protocol.params import ParamsPair
from edge_client.runtime.memory import MemoryServer, MemoryTransport, ServerRules
from edge_client.runtime.transport import Will
from tests.builders import GRAPH_BYTES, make_model

STEPS_MAX = 200_000
STUCK_MAX = 1000


class Node:
    """A machine on a memory transport; effects run in order, unknown ones go to `executors`."""

    def __init__(
        self,
        world: World,
        name: str,
        machine: Machine[Any, Any],
        executors: dict[type[Any], Callable[[Any], None]],
        will: Will | None = None,
    ) -> None:
        self.world = world
        self.name = name
        self.machine = machine
        self.transport = MemoryTransport(world.server, name, will)
        self.refused: list[Refused] = []
        self.notes: list[Note] = []
        self.is_up = True
        self.key = b""
        self.stuck_count = 0
        self.due_ms = machine.deadline()
        self._effects = {
            Publish: self.transport.publish,
            Subscribe: lambda one: self.transport.subscribe(one.filters),
            Unsubscribe: lambda one: self.transport.unsubscribe(one.filters),
            Refused: self.refused.append,
            Note: self.notes.append,
            **executors,
        }
        self.transport.start(self.post)

    def post(self, event: object) -> None:
        """Give one event to the machine at the world's time, and run the effects."""
        if not self.is_up:
            return
        for effect in self.machine.handle(event, self.world.now_ms):
            self._effects[type(effect)](effect)
            if not self.is_up:
                return
        self.due_ms = self.machine.deadline()

    def is_due(self, now_ms: int) -> bool:
        """Whether the machine wants to be woken."""
        return self.due_ms is not None and self.due_ms <= now_ms

    def kill(self) -> None:
        """The process is gone; what it stored stays."""
        self.is_up = False
        self.world.nodes.remove(self)
        self.world.server.cut(self.name)


class World:
    """One chain, one MQTT server, virtual time in Unix milliseconds."""

    def __init__(
        self, genesis: Genesis, signers: tuple[Signer, ...], rules: ServerRules | None = None
    ) -> None:
        self.genesis = genesis
        self.signers = signers
        self.rules = Rules(genesis, genesis.chain_id(), verify)
        self.server = MemoryServer(rules)
        self.now_ms = genesis.t0_s * 1000
        self.server.pump(self.now_ms)
        self.nodes: list[Node] = []
        self.evidence: list[Evidence] = []
        self.stores: dict[int, MemoryStore] = {}
        self.gaps: list[LogGap] = []
        self.starts = 0
        self.first_block: StoreFinal | None = None
        """Put on every validator's disk before it starts."""

    def add_node(self, node: Node) -> Node:
        """Let a node take part in time."""
        self.nodes.append(node)
        return node

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
        node._effects[LogGap] = partial(self._stop, node)
        node.key = identity.signer.public_key
        return self.add_node(node)

    def _stop(self, node: Node, gap: LogGap) -> None:
        self.gaps.append(gap)
        node.kill()

    def validators(self) -> list[Validator]:
        """The running validators."""
        return [node.machine for node in self.nodes if isinstance(node.machine, Validator)]

    def run(self, duration_ms: int, until: Callable[[], bool] = lambda: False) -> bool:
        """Advance until the condition holds or `duration_ms` have passed; whether the condition held."""
        end_ms = self.now_ms + duration_ms
        for _ in range(STEPS_MAX):
            if until():
                return True
            due = [self.server.due_ms(), *(node.due_ms for node in self.nodes)]
            next_ms = min((at for at in due if at is not None), default=end_ms + 1)
            if next_ms > end_ms:
                self.now_ms = end_ms
                return until()
            self.now_ms = max(self.now_ms, next_ms)
            if not self.server.pump(self.now_ms):
                self._wake()
        raise AssertionError(f"still busy after {STEPS_MAX} steps at {self.now_ms}")

    def _wake(self) -> None:
        for node in list(self.nodes):
            if not node.is_due(self.now_ms):
                continue
            node.post(Woke())
            node.stuck_count = node.stuck_count + 1 if node.is_due(self.now_ms) else 0
            assert node.stuck_count < STUCK_MAX, f"{node.name} keeps a deadline in the past"


def _raise(effect: Diverged) -> None:
    raise AssertionError(effect.detail)
