"""What the exhaustive search is about: blocks and certificates of a case, and the cases themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import TypeAlias

from broker.core.consensus.ballots import Ballots
from edge_client.protocol.header import Header
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.votes import Certificate, Proposal, Subject, Vote, finalize, notarize, nullify
from tests.simulation.consensus_parts import EPOCH, Committee, hash_of

ME, OTHERS, BYZANTINE = 0, (1, 2), 3
AGAIN = 1_000
"""More than there are proposals on one parent."""


class LedByByzantine(ValidatorSet):
    """Four validators whose every slot the Byzantine one leads: any justified block may be proposed."""

    __slots__ = ()

    def leader(self, seed: bytes, slot: int) -> int:
        """Always the same."""
        return BYZANTINE


@dataclass(frozen=True)
class Block:
    """A proposal the Byzantine leader may make, and the subjects whose certificates it needs for that."""

    header: Header
    justification: tuple[Certificate, ...]
    needs: frozenset[Subject]
    ancestors: frozenset[bytes]
    seals: bool


@dataclass(frozen=True)
class Case:
    """How much is searched: slots, proposals a slot on each possible parent (in slots after the first `later`
    of them, if told: 0 leaves only blocks that are proposed again), whether validators crash, and
    whether the leader also proposes blocks that lack certificates of skipped slots. With `seals` every block
    on genesis ends the epoch, and those on it must never be decided. `chosen` are the proposals that the last
    slot keeps, by their number among all; see `choices`."""

    slots: int
    proposals: int
    crashes: bool = False
    gaps: bool = False
    seals: bool = False
    later: int | None = None
    chosen: tuple[int, ...] | None = None

    def labels(self, slot: int) -> range:
        """Names of the proposals in a slot."""
        return range(self.proposals if slot == 1 or self.later is None else self.later)


Place: TypeAlias = tuple[Block, int]
"""A block and the slot it is proposed in: its own or, proposed again, a later one."""


class Universe:
    """All blocks and certificates of a case, with a bit for each subject."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.committee = Committee(4, kind=LedByByzantine)
        self.validators = self.committee.validators
        self.places = self._places()
        self.blocks = [block for block, slot in self.places if slot == block.header.slot]
        self.again = [(block, slot) for block, slot in self.places if slot > block.header.slot]
        self.subjects = [
            *(notarize(one.header, hash_of(one.header), slot) for one, slot in self.places),
            *(finalize(one.header, hash_of(one.header), slot) for one, slot in self.places),
            *(nullify(EPOCH, slot) for slot in range(1, case.slots + 1)),
        ]
        self.bits = {subject: 1 << at for at, subject in enumerate(self.subjects)}
        self.finals = {block: self.mask(frozenset(self._finals(block))) for block in self.blocks}
        self.conflicts = [
            (one, other)
            for one, other in combinations(self.blocks, 2)
            if hash_of(one.header) not in other.ancestors
        ]
        self.needed = self.validators.quorum - 1
        self.clashes = self._clashes() if 2 * self.needed > len((ME, *OTHERS)) else {}
        self.beyond = [one for one in self.blocks if case.seals and one.ancestors]

    def _clashes(self) -> dict[Subject, frozenset[Subject]]:
        """Subjects that cannot both be certified unless an honest validator signed both and is convicted."""
        return {
            one: frozenset(other for other in self.subjects if convicted(frozenset((one, other))))
            for one in self.subjects
        }

    def _places(self) -> list[Place]:
        """New blocks and blocks proposed again, of the last slot only those that are chosen."""
        slots, chosen = range(1, self.case.slots + 1), self.case.chosen
        blocks = [block for slot in slots for block in self._blocks_of(slot)]
        places = [(block, block.header.slot) for block in blocks]
        places += [(block, slot) for block in blocks for slot in slots if slot > block.header.slot]
        last = [place for place in places if place[1] == self.case.slots]
        if chosen is None:
            return places
        return [place for place in places if place not in last] + [last[number] for number in chosen]

    def _finals(self, block: Block) -> list[Subject]:
        """F votes for a block, in its own slot or when it is proposed again."""
        slots = [slot for one, slot in self.places if one is block]
        return [finalize(block.header, hash_of(block.header), slot) for slot in slots]

    def _blocks_of(self, slot: int) -> Iterator[Block]:
        """Blocks on genesis and on every block notarised in an earlier slot, once the slots between are
        nullified. (Parents shown by an FC are the same case: it takes an NC.)"""
        earlier = getattr(self, "_made", [])
        self._made: list[Block] = list(earlier)
        notarised = [(parent, at) for parent in earlier for at in range(parent.header.slot, slot)]
        for parent, at in [(None, 0), *notarised]:
            subjects = [notarize(parent.header, hash_of(parent.header), at)] if parent else []
            if not self.case.gaps:
                subjects += [nullify(EPOCH, one) for one in range(at + 1, slot)]
            just = tuple(self.certificate(one, (*OTHERS, BYZANTINE)) for one in subjects)
            above = parent.ancestors | {hash_of(parent.header)} if parent else frozenset[bytes]()
            for label in self.case.labels(slot):
                made = self.committee.header(slot, parent.header if parent else None, just, b"%d" % label)
                block = Block(made, just, frozenset(subjects), above, self.case.seals and not parent)
                self._made.append(block)
                yield block

    @cache  # noqa: B019 - lives as long as the search
    def certificate(self, subject: Subject, signers: tuple[int, ...]) -> Certificate:
        """A genuine certificate."""
        return self.committee.certificate(subject, signers[-self.validators.quorum :])

    @cache  # noqa: B019 - the same
    def proposal(self, block: Block, slot: int) -> Proposal:
        """The Byzantine leader's proposal of a block, or of the same block again."""
        return self.committee.proposal(block.header, slot)

    def mask(self, subjects: frozenset[Subject]) -> int:
        """Their bits."""
        return sum(self.bits[one] for one in subjects)


def convicted(signed: frozenset[Subject]) -> str:
    """A pair among the votes of one validator that would convict it, if there is one."""
    ballots = Ballots()
    for subject in sorted(signed, key=lambda one: (one.slot, one.kind, one.hash)):
        vote = Vote(subject.kind, subject.epoch, subject.slot, subject.height, subject.hash, ME, b"")
        rival = ballots.rival(vote)
        if rival:
            return f"{describe(rival.subject)} and {describe(subject)}"
        ballots.hold(vote, checked=True)
    return ""


def describe(subject: Subject) -> str:
    """Such as F(2,a1b2)."""
    return f"{'NZF'[subject.kind - 1]}({subject.slot},{subject.hash.hex()[:4]})"


def choices(case: Case, count: int) -> list[Case]:
    """Every choice of `count` among the proposals of the second and last slot, one of each kind.

    Of one kind are choices that differ in names only: of the proposals on one parent, or of the blocks of the
    first slot with all that stands on them.
    """
    places = Universe(case).places
    last = [place for place in places if place[1] == case.slots]
    kinds: dict[Hashable, Case] = {}
    for chosen in combinations(range(len(last)), count):
        on_genesis, branches = 0, Counter[bytes]()
        for block, slot in (last[number] for number in chosen):
            if slot > block.header.slot:
                branches[hash_of(block.header)] += AGAIN
            elif block.ancestors:
                branches.update(block.ancestors)
            else:
                on_genesis += 1
        kind = on_genesis, tuple(sorted(branches.values()))
        kinds.setdefault(kind, replace(case, chosen=chosen))
    return list(kinds.values())
