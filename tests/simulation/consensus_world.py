"""Seeded simulation of a validator set: virtual time, a lossy MQTT server, troubles, Byzantine validators.

`simulate(seed)` is the whole interface: the same seed gives the same run, event by event. What must hold is
checked while it runs; the first violation raises `ViolationError` with the seed and the last events.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from heapq import heappop, heappush
from random import Random

from broker.core.consensus import events as on
from broker.core.consensus.ballots import Ballots
from broker.core.consensus.simplex import Simplex
from broker.core.verified import VerifyOnce
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.header import Header
from edge_client.protocol.votes import Proposal, Snapshot, Vote
from tests.simulation.consensus_byzantine import make_byzantine
from tests.simulation.consensus_node import Node
from tests.simulation.consensus_parts import Committee, hash_of
from tests.simulation.consensus_plan import CHAOS_MS, Incident, Plan, Trouble

HEAL_MS = 20 * 60_000
ROUNDS_AFTER_HEALING = 3
TRACE_EVENTS = 60


class ViolationError(AssertionError):
    """Something that must hold did not; the message replays it."""


@dataclass
class Tally:
    """What happened in a run."""

    faults: dict[str, int] = field(default_factory=dict)
    decided_blocks: int = 0
    epochs: int = 0
    evidence: int = 0
    events: int = 0

    def count(self, fault: str, times: int = 1) -> None:
        self.faults[fault] = self.faults.get(fault, 0) + times


class World:
    """One run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rng = Random(plan.seed)
        self.committee = Committee(plan.count, plan.real_keys, people=plan.people)
        self.committees = [self.committee]
        self.verify = VerifyOnce(self.committee.verify)
        self.now_ms = 0
        self.tally = Tally()
        self.chaos = True
        self.server_up = False
        self.side_of: dict[int, int] = {}
        self.work = 0
        self._queue: list[tuple[int, int, Callable[[], object]]] = []
        self._sequence = 0
        self._wakes: dict[int, int] = {}
        self._retained: dict[int, Snapshot] = {}
        self._signed: dict[int, Ballots] = {}
        self._heard: dict[Simplex, Ballots] = {}
        self._caught: set[int] = set()
        self._accused: set[int] = set()
        self._proposed: dict[tuple[int, int, int], Proposal] = {}
        self._final: dict[int, bytes] = {}
        self._trace: deque[tuple[int, int, object]] = deque(maxlen=TRACE_EVENTS)
        honest = [one for one in range(plan.people) if one not in plan.styles]
        self.honest = [Node(self, one) for one in honest]
        self.byzantine = [node for one in plan.styles for node in make_byzantine(self, one)]

    @property
    def nodes(self) -> list[Node]:
        """Everybody."""
        return self.honest + self.byzantine

    def chance(self, probability: float) -> bool:
        """Whether a thing of this probability happens now; never after the healing."""
        return self.chaos and self.rng.random() < probability

    def after(self, delay_ms: int, action: Callable[[], object]) -> None:
        """Do something later."""
        self._sequence += 1
        heappush(self._queue, (self.now_ms + delay_ms, self._sequence, action))

    def wake(self, node: Node, delay_ms: int) -> None:
        """Wake a node's machine; an earlier wake-up that is already planned will do."""
        at_ms = self.now_ms + max(1, delay_ms)
        planned_ms = self._wakes.get(id(node))
        if planned_ms is None or planned_ms > at_ms or planned_ms <= self.now_ms:
            self._wakes[id(node)] = at_ms
            self.after(at_ms - self.now_ms, node.wake)

    # --- network --------------------------------------------------------------------------------------------

    def publish(self, sender: Node, message: object, only: set[int] | None = None) -> None:
        """Deliver to everybody else (or `only` to some): late, twice, out of order, or not at all."""
        self._watch(sender, message)
        if not (self.server_up and sender.linked):
            return
        if isinstance(message, Snapshot):
            self._retained[sender.index] = message
        for node in self.nodes:
            if node is not sender and (only is None or node.index in only):
                self._deliver(sender.index, node, message)

    def _deliver(self, sender: int, node: Node, message: object) -> None:
        if self.chance(self.plan.drop):
            self.tally.count("dropped")
            return
        copies = 1
        if self.chance(self.plan.repeat):
            self.tally.count("repeated")
            copies = 2
        for _ in range(copies):
            delay_ms = self.rng.randint(1, 20)
            if self.chance(self.plan.slow):
                self.tally.count("delayed")
                delay_ms = self.rng.randint(20, 4_000)
            self.after(delay_ms, partial(self._arrive, sender, node, message))

    def _arrive(self, sender: int, node: Node, message: object) -> None:
        if not (node.up and node.linked and self.server_up):
            return
        if self.side_of.get(sender, 0) != self.side_of.get(node.index, 0):
            self.tally.count("partitioned")
            return
        self._overhear(node, message)
        if isinstance(message, Vote | Proposal | Snapshot):
            node.hear(sender, message)
        else:
            node.take(sender, message)

    def connect(self, node: Node) -> None:
        """The node subscribes: it gets what is retained."""
        if self.server_up and node.up and not node.linked:
            node.link(True)
            for sender, snapshot in sorted(self._retained.items()):
                if sender != node.index:
                    self._deliver(sender, node, snapshot)

    def wipe(self) -> None:
        """The server forgets what it retained."""
        self._retained.clear()

    def ahead_of(self, node: Node) -> Node | None:
        """An honest validator whose decided chain is longer."""
        ahead = [one for one in self.honest if one.disk.head.height > node.disk.head.height]
        return self.rng.choice(ahead) if ahead else None

    # --- epochs ---------------------------------------------------------------------------------------------

    def committee_of(self, epoch: int) -> Committee:
        """The set of an epoch that has begun somewhere."""
        return self.committees[epoch]

    def seals(self, committee: Committee, header: Header) -> bool:
        """Whether a decided block ends its epoch; the first to decide it makes the next set known."""
        if not self.plan.seals(header.height):
            return False
        if committee.epoch + 1 == len(self.committees):
            self.committees.append(committee.successor(self._elect(committee, header), header))
            self.tally.epochs += 1
        return True

    def _elect(self, committee: Committee, header: Header) -> list[int]:
        """Everybody keeps a seat but at most f, which others get: whom, the block decides."""
        rng, members = Random(hash_of(header)), list(committee.members)
        outsiders = [one for one in range(self.plan.people) if one not in members]
        changes = min(committee.validators.faulty_max, len(outsiders))
        for seat, person in zip(
            rng.sample(range(len(members)), changes), rng.sample(outsiders, changes), strict=True
        ):
            members[seat] = person
        return members

    # --- what must hold -------------------------------------------------------------------------------------

    def note(self, node: Node, thing: object) -> None:
        """Remember an event for the report of a failure."""
        self._trace.append((self.now_ms, node.index, thing))

    def fail(self, what: str) -> None:
        """Report a violation."""
        lines = [f"{at_ms:>8} ms  validator {index}: {brief(thing)}" for at_ms, index, thing in self._trace]
        raise ViolationError("\n".join([
            f"{what}", f"replay: simulate({self.plan.seed})", f"{self.plan}", "last events:", *lines,
        ]))  # fmt: skip

    def decided(self, node: Node, header: Header) -> None:
        """Agreement: one block per height, whoever decides it."""
        if node in self.byzantine:
            return
        known = self._final.setdefault(header.height, hash_of(header))
        if known != hash_of(header):
            self.fail(f"two blocks decided at height {header.height}")
        self.tally.decided_blocks = len(self._final)

    def _watch(self, sender: Node, message: object) -> None:
        """No framing: nothing an honest validator publishes makes a convicting pair, also over restarts."""
        if sender in self.byzantine:
            return
        if isinstance(message, Proposal):
            place = (message.header.epoch, message.slot, sender.index)
            if self._proposed.setdefault(place, message) != message:
                self.fail(f"validator {sender.index} can be convicted of two proposals")
        votes = message.votes if isinstance(message, Snapshot) else [message]
        for vote in (one for one in votes if isinstance(one, Vote)):
            signed = self._signed.setdefault(vote.epoch, Ballots())
            rival = signed.rival(vote)
            if rival is not None:
                self.fail(f"validator {sender.index} can be convicted: {rival} {vote}")
            signed.hold(vote, checked=True)

    def accuse(self, node: Node, evidence: on.Evidence) -> None:
        """Evidence names Byzantine validators only, and both signatures are genuine."""
        offender = node.committee.members[evidence.offender]
        if offender not in self.plan.styles:
            self.fail(f"honest validator {offender} accused: {evidence}")
        try:
            for message in (evidence.first, evidence.second):
                node.committee.check(message, self.verify)
        except ProtocolError as wrong:
            self.fail(f"evidence does not hold: {wrong}")
        if node not in self.byzantine:
            self.tally.evidence += 1
            self._accused.add(offender)

    def _overhear(self, node: Node, message: object) -> None:
        """Who ever lets one process of an honest validator hear both halves of a pair is caught by it."""
        heard = self._heard.setdefault(node.machine, Ballots())
        if not isinstance(message, Vote) or message.epoch != node.disk.epoch or node in self.byzantine:
            return
        person = node.committee.members[message.signer]
        if person not in self.plan.styles:
            return
        if heard.rival(message):
            self._caught.add(person)
        heard.hold(message, checked=True)

    # --- course of a run ------------------------------------------------------------------------------------

    def run(self) -> Tally:
        """Chaos, healing, and what must be true after it."""
        for incident in self.plan.incidents:
            self.after(incident.at_ms, partial(self._begin, incident))
        self.server_up = True
        for node in self.nodes:
            self.after(self.rng.randint(0, 300), partial(self.connect, node))
        self._offer_work()
        self._run_until(CHAOS_MS, lambda: False)
        self._heal()
        target = self.work
        if not self._run_until(CHAOS_MS + HEAL_MS, lambda: all(one.rounds >= target for one in self.honest)):
            rounds = [(one.index, one.rounds, one.machine.slot) for one in self.honest]
            self.fail(f"not live after healing: {target} rounds due, (validator, rounds, slot) {rounds}")
        self._check_evidence()
        return self.tally

    def _run_until(self, end_ms: int, done: Callable[[], bool]) -> bool:
        while self._queue and self._queue[0][0] <= end_ms:
            self.now_ms, _, action = heappop(self._queue)
            action()
            self.tally.events += 1
            if done():
                return True
        self.now_ms = end_ms
        return done()

    def _offer_work(self) -> None:
        """The updates of one more round reach most validators soon, the others after the healing."""
        if not self.chaos:
            return
        self.work += 1
        for node in self.nodes:
            if self.chance(self.plan.unseen):
                self.tally.count("unseen")
            else:
                self.after(self.rng.randint(0, 1_500), partial(node.learn_work, self.work))
        self.after(self.plan.round_gap_ms, self._offer_work)

    def _heal(self) -> None:
        self.chaos = False
        self.server_up = True
        self.side_of.clear()
        self.work = max(self.work, *(one.rounds for one in self.honest)) + ROUNDS_AFTER_HEALING
        for node in self.nodes:
            node.crash_in = None
            if not node.up:
                node.start()
            self.connect(node)
            node.learn_work(self.work)

    def _begin(self, incident: Incident) -> None:
        self.tally.count(incident.trouble.name.lower())
        node = self.nodes[incident.choice % len(self.nodes)]
        match incident.trouble:
            case Trouble.PARTITION:
                self.side_of = {one: incident.choice >> one & 1 for one in range(self.plan.people)}
                self.after(incident.lasts_ms, self.side_of.clear)
            case Trouble.OUTAGE | Trouble.WIPE:
                self._lose_server(incident)
            case Trouble.CUT:
                node.link(False)
                self.after(incident.lasts_ms, partial(self.connect, node))
            case Trouble.CRASH:
                node.crash_in = incident.choice % 5
                self.after(incident.lasts_ms, partial(self._restart, node))
            case Trouble.CLOCK:
                node.clock_ms += incident.lasts_ms * 100

    def _lose_server(self, incident: Incident) -> None:
        self.server_up = False
        for node in self.nodes:
            node.link(False)
        if incident.trouble is Trouble.WIPE:
            self.wipe()
        self.after(incident.lasts_ms, self._restore_server)

    def _restore_server(self) -> None:
        self.server_up = True
        for node in self.nodes:
            self.after(self.rng.randint(0, 1_000), partial(self.connect, node))

    def _restart(self, node: Node) -> None:
        """Up again; a crash that has waited in vain for an effect to interrupt happens now."""
        if not self.chaos:
            return
        if node.up:
            node.crash()
        node.start()
        self.connect(node)
        node.learn_work(node.work)

    def _check_evidence(self) -> None:
        if not self._caught <= self._accused:
            self.fail(f"nobody accused {sorted(self._caught - self._accused)}")


def brief(thing: object) -> str:
    """One line about an effect, hashes and signatures cut short."""
    return re.sub(r"b'[^']*'|b\"[^\"]*\"", lambda found: _short(found.group()), repr(thing))[:240]


def _short(literal: str) -> str:
    return sha256(literal.encode()).hexdigest()[:6]


def simulate(seed: int) -> Tally:
    """Run one seed; raises `ViolationError`."""
    return World(Plan.draw(seed)).run()
