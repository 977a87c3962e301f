"""Exhaustive search over the real machine: three honest validators, one that signs everything, every order.

The network is any subset of what was ever signed, so all that a search state holds is what each honest one
knows. A validator's next state depends on its own state and on which certificates can be formed, not on whose
votes are in them. So all states of *one* machine are found first, by running `Simplex.handle` on every event
in every state (`Automaton`); states that no continuation tells apart are merged (`Quotient`, strong
bisimulation: same votes signed, and every event leads to merged states again); and the search walks triples
of what is left, sorted because the three are alike.

Left out, because no vote depends on it: which quorum signed, ballots of others, snapshots, waiting times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from broker.core.consensus import events as on
from broker.core.consensus.log_entries import Entry
from broker.core.consensus.simplex import Simplex
from broker.core.verified import VerifyOnce
from edge_client.protocol.machine import LinkUp, Woke
from edge_client.protocol.votes import Subject, Vote
from tests.simulation.consensus_node import Disk
from tests.simulation.consensus_parts import GENESIS, hash_of
from tests.simulation.consensus_universe import (
    BYZANTINE,
    ME,
    OTHERS,
    Block,
    Case,
    Universe,
    convicted,
    describe,
)

LONG_MS = 1_000_000
T = TypeVar("T")


@dataclass(frozen=True)
class Report:
    """What was found; `trace` leads to the violation, one changed validator a line."""

    states: int
    edges: int
    machine_states: int
    merged_states: int
    violation: str = ""
    trace: tuple[str, ...] = ()


@dataclass(frozen=True)
class Local:
    """One validator: its machine, its log, and every vote it ever signed, remembered or not."""

    machine: Simplex
    log: tuple[Entry, ...]
    signed: frozenset[Subject]


@dataclass(frozen=True)
class Seen:
    """What stays of a machine's state once all its successors are known."""

    slot: int
    signed: frozenset[Subject]
    proposals: dict[int, bytes]


Key: TypeAlias = tuple[object, ...]
Action: TypeAlias = tuple[str, int]


class Automaton:
    """All states that one real machine can get into when anything may be certified at any time."""

    def __init__(self, universe: Universe, key: Callable[[Local], Key]) -> None:
        self.universe = universe
        self._key = key
        self.verify = VerifyOnce(universe.committee.verify)
        self.actions: list[tuple[int, Action]] = [
            *((universe.mask(block.needs), ("offer", at)) for at, block in enumerate(universe.blocks)),
            *((0, ("again", at)) for at in range(len(universe.again))),
            *((universe.bits[subject], ("certify", at)) for at, subject in enumerate(universe.subjects)),
            (0, ("expire", 0)),
            (0, ("fetch", 0)),
        ]
        self._clashes = [self._clashes_of(action) for _, action in self.actions]
        self.seen: list[Seen] = []
        self.steps: list[tuple[tuple[int, ...], ...]] = []
        self._ids: dict[Key, int] = {}
        self._open: deque[Local] = deque()
        self._number(Local(self._machine(()), (), frozenset()))
        while self._open:
            local = self._open.popleft()
            self.steps.append(tuple(self._steps_of(local)))

    def _clashes_of(self, action: Action) -> frozenset[Subject]:
        """Certificates that cannot exist beside those which an action brings."""
        kind, at = action
        brought = self.universe.blocks[at].needs if kind == "offer" else frozenset[Subject]()
        if kind == "certify":
            brought = frozenset({self.universe.subjects[at]})
        return frozenset[Subject]().union(*(self.universe.clashes.get(one, ()) for one in brought))

    def _steps_of(self, local: Local) -> Iterator[tuple[int, ...]]:
        """Where each action leads. Certificates that clash are not both shown: where both can be formed, an
        honest validator is convicted, and the search has ended."""
        here = self._number(local)
        shown = {one.subject for one in local.machine._known.pool.all()}
        for (_, action), clashes in zip(self.actions, self._clashes, strict=True):
            yield (here,) if clashes & shown else tuple(self._after(local, action))

    def _after(self, local: Local, action: Action) -> Iterator[int]:
        """The state after an action; with crashes also those where it died after each of its persists."""
        machine = clone(local.machine)
        entries, signed = [], set(local.signed)
        for event in self._events(local, machine, action):
            for effect in machine.handle(event, machine._now_ms):
                if isinstance(effect, on.Persist):
                    entries.append(effect.entry)
                    signed |= _own(effect.entry)
        log = (*local.log, *entries)
        yield self._number(Local(machine, log, frozenset(signed)))
        if self.universe.case.crashes:
            for kept in range(len(entries) + 1):
                survived = (*local.log, *entries[:kept])
                votes = local.signed.union(*[_own(entry) for entry in entries[:kept]])
                yield self._number(Local(self._machine(survived), survived, frozenset(votes)))

    def _events(self, local: Local, machine: Simplex, action: Action) -> Iterator[on.Event]:
        kind, at = action
        if kind == "offer":
            block = self.universe.blocks[at]
            yield on.ProposalReceived(BYZANTINE, self.universe.proposal(block, block.header.slot))
            if hash_of(block.header) in machine._checking:
                yield on.BlockChecked(block.header, block.justification, seals=block.seals)
        elif kind == "again":
            yield on.ProposalReceived(BYZANTINE, self.universe.proposal(*self.universe.again[at]))
        elif kind == "certify":
            subject = self.universe.subjects[at]
            voted = subject in local.signed
            signers = (ME, OTHERS[0], BYZANTINE) if voted else (*OTHERS, BYZANTINE)
            yield on.CertificateReceived(BYZANTINE, self.universe.certificate(subject, signers))
        elif kind == "expire" and machine.slot <= self.universe.case.slots:
            yield on.RoundDue(True)
            machine._now_ms += LONG_MS
            yield Woke()
        elif kind == "fetch":
            for block in self.universe.blocks:
                if hash_of(block.header) in machine._fetching:
                    yield on.BlockChecked(block.header, block.justification, seals=block.seals)

    def _machine(self, log: tuple[Entry, ...]) -> Simplex:
        """A machine (re)started from its log; a mutant without a log is a disk that forgets."""
        disk = Disk()
        for entry in log:
            disk.append(entry)
        setup = self.universe.committee.setup(ME)
        sign = self.universe.committee.signs[ME]
        machine = Simplex(setup, sign, self.verify, GENESIS, disk.entries())
        machine.handle(LinkUp("server"), LONG_MS)
        return machine

    def _number(self, local: Local) -> int:
        known = self._ids.setdefault(self._key(local), len(self.seen))
        if known == len(self.seen):
            held = local.machine._known.witness.proposals
            proposals = {slot: one.hash for slot, one in held.items()}
            self.seen.append(Seen(local.machine.slot, local.signed, proposals))
            self._open.append(local)
        return known


def _own(entry: Entry) -> set[Subject]:
    return {entry.subject} if isinstance(entry, Vote) and entry.signer == ME else set()


class Quotient:
    """An automaton with its bisimilar states merged; state 0 is the start."""

    def __init__(self, automaton: Automaton) -> None:
        universe = automaton.universe
        self._needs = [need for need, _ in automaton.actions]
        colours = _numbered([seen.signed for seen in automaton.seen])
        while True:
            finer = _numbered(
                [
                    (colour, *(frozenset(colours[one] for one in after) for after in steps))
                    for colour, steps in zip(colours, automaton.steps, strict=True)
                ]
            )
            if max(finer) == max(colours):
                break
            colours = finer
        first = {colour: at for at, colour in reversed(list(enumerate(colours)))}
        self.members = [automaton.seen[first[colour]] for colour in range(len(first))]
        self.masks = [universe.mask(member.signed) for member in self.members]
        self.convicted = [convicted(member.signed) for member in self.members]
        self._steps = [
            tuple(tuple({colours[one] for one in after}) for after in automaton.steps[first[colour]])
            for colour in range(len(first))
        ]
        self._moves: dict[tuple[int, int], tuple[int, ...]] = {}

    def moves(self, local: int, available: int) -> tuple[int, ...]:
        """Where a validator in state `local` can go when the certificates in `available` can be formed."""
        known = self._moves.get((local, available))
        if known is None:
            pairs = zip(self._needs, self._steps[local], strict=True)
            reached = {one for need, after in pairs if not need & ~available for one in after}
            known = self._moves[local, available] = tuple(sorted(reached - {local}))
        return known


def _numbered(things: Sequence[Hashable]) -> list[int]:
    """Equal things get equal numbers, in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(one, len(numbers)) for one in things]


def state_key(local: Local) -> Key:
    """What later votes of a machine can depend on. Two states of one key are taken for the same."""
    machine = local.machine
    known = machine._known
    proposed = known.witness.open_proposals(machine.slot)
    open_hashes = {held.hash for _, held in proposed}
    return (
        local.signed,
        frozenset(one.subject for one in known.pool.all()),
        known.tree.head.hash,
        frozenset(known.tree._blocks),
        frozenset((slot, held.hash) for slot, held in proposed),
        frozenset(vote.subject for vote in known.witness.ballots.cast_by(ME, 0)),
        frozenset(open_hashes.intersection(machine._checking)),
        machine.halted,
        machine.ended,
    )


def whole_key(local: Local) -> Key:
    """With what should not matter, too; a test shows that telling these states apart changes no result."""
    machine = local.machine
    return (
        *state_key(local),
        frozenset((slot, held.hash) for slot, held in machine._known.witness.proposals.items()),
        frozenset(machine._checking),
        frozenset(machine._fetching),
        frozenset(machine._unfit),
    )


def clone(machine: Simplex) -> Simplex:
    """An independent copy: containers are copied, what they hold is immutable."""
    other = _twin(machine)
    other._timer, other._pacer = _twin(machine._timer), _twin(machine._pacer)
    other._unfit, other._behind = set(machine._unfit), set(machine._behind)
    other._checking, other._fetching = dict(machine._checking), dict(machine._fetching)
    other._faults = dict(machine._faults)
    known = other._known = _twin(machine._known)
    known.effects, known._seen = list(known.effects), dict(known._seen)
    known.pool, known.tree, known.witness = _twin(known.pool), _twin(known.tree), _twin(known.witness)
    known.pool._held = {kind: dict(held) for kind, held in known.pool._held.items()}
    known.tree._blocks = dict(known.tree._blocks)
    witness = known.witness
    witness.proposals, witness._accused = dict(witness.proposals), set(witness._accused)
    witness.ballots = _twin(witness.ballots)
    witness.ballots._slots = {slot: dict(held) for slot, held in witness.ballots._slots.items()}
    return other


def _twin(thing: T) -> T:
    """What `copy.copy` gives, five times as fast."""
    other = object.__new__(type(thing))
    other.__dict__.update(thing.__dict__)
    return other


State: TypeAlias = tuple[int, int, int]


class Search:
    """Breadth first over what three honest validators know."""

    def __init__(self, case: Case, key: Callable[[Local], Key]) -> None:
        self.universe = Universe(case)
        automaton = Automaton(self.universe, key)
        self.automaton_states = len(automaton.seen)
        self.quotient = Quotient(automaton)
        self._parents: dict[State, State | None] = {(0, 0, 0): None}
        self._edges = 0

    def run(self) -> Report:
        """Search everything, or up to the first violation."""
        queue = deque(self._parents)
        while queue:
            state = queue.popleft()
            available = self._available(state)
            violation = self._violation(state, available)
            if violation:
                return self._report(violation, state)
            queue.extend(self._unseen(state, available))
        return self._report("", None)

    def _violation(self, state: State, available: int) -> str:
        finals = self.universe.finals
        for one, other in self.universe.conflicts:
            if available & finals[one] and available & finals[other]:
                return f"{_name(one)} and {_name(other)} can both be final"
        after = next((one for one in self.universe.beyond if available & finals[one]), None)
        if after is not None:
            return f"{_name(after)} can be final after the last block of the epoch"
        framed = next((self.quotient.convicted[one] for one in state if self.quotient.convicted[one]), "")
        return f"an honest validator signed {framed}" if framed else ""

    def _available(self, state: State) -> int:
        """Subjects that can be certified: by the Byzantine validator and enough honest ones."""
        a, b, c = (self.quotient.masks[one] for one in state)
        return [~0, a | b | c, a & b | a & c | b & c, a & b & c][self.universe.needed]

    def _unseen(self, state: State, available: int) -> Iterator[State]:
        for place, local in enumerate(state):
            if place and state[place - 1] == local:
                continue
            for after in self.quotient.moves(local, available):
                self._edges += 1
                a, b, c = sorted((*state[:place], after, *state[place + 1 :]))
                if (a, b, c) not in self._parents:
                    self._parents[a, b, c] = state
                    yield a, b, c

    def _report(self, violation: str, last: State | None) -> Report:
        path: list[State] = []
        while last is not None:
            path.append(last)
            last = self._parents[last]
        lines = (" | ".join(map(self._describe, state)) for state in reversed(path))
        counts = len(self._parents), self._edges, self.automaton_states, len(self.quotient.members)
        return Report(*counts, violation, tuple(lines))

    def _describe(self, local: int) -> str:
        held = self.quotient.members[local]
        votes = sorted(held.signed, key=lambda one: (one.slot, one.kind))
        return f"slot {held.slot}: {' '.join(map(describe, votes)) or '-'}"


def _name(block: Block) -> str:
    return f"block {hash_of(block.header).hex()[:4]}"


def search(case: Case, key: Callable[[Local], Key] = state_key) -> Report:
    """Search one case."""
    return Search(case, key).run()
