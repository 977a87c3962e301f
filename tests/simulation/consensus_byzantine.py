"""Byzantine validators: honest machines whose mouth is not theirs. They sign with their own key only.

The machine inside keeps them informed of what goes on, which makes them better liars than random bytes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from broker.core.consensus import events as on
from broker.core.consensus.justification import parent_of
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.votes import (
    Proposal,
    Snapshot,
    Subject,
    Vote,
    VoteKind,
    finalize,
    notarize,
    nullify,
)
from tests.simulation.consensus_node import Block, Node
from tests.simulation.consensus_parts import hash_of
from tests.simulation.consensus_plan import Style

if TYPE_CHECKING:
    from tests.simulation.consensus_world import World

MEMORY = 40


def make_byzantine(world: World, index: int) -> list[Node]:
    """The processes of Byzantine validator `index`: two when it is a pair of twins."""
    style = world.plan.styles[index]
    if style is Style.TWINS:
        return [Twin(world, index, b"left"), Twin(world, index, b"right")]
    return [_KINDS[style](world, index)]


class Twin(Node):
    """Honest in itself, but it has a brother with the same key and another disk; each reaches only some."""

    def send(self, message: object) -> None:
        others = [one for one in range(self.world.plan.people) if one != self.index]
        some = {one for one in others if self.world.rng.random() < 0.6} if self.world.chaos else set(others)
        self.world.publish(self, message, some)


class Liar(Node):
    """Says what it is told to say by `lie`, beside or instead of what an honest validator would say."""

    def run(self, effect: on.Effect) -> None:
        if not isinstance(effect, on.Evidence | on.Diverged):
            super().run(effect)

    def some(self) -> set[int]:
        """A random half of all."""
        return {one for one in range(self.world.plan.people) if self.world.rng.random() < 0.5}

    def say(self, subject: Subject, to: set[int]) -> None:
        """Cast a vote, whatever was cast before, in any epoch in which it has or had a seat."""
        committee = self.world.committee_of(subject.epoch)
        seat = committee.seat_of(self.index)
        if seat is not None:
            self.world.publish(self, committee.vote(subject, seat), to)


class Equivocator(Liar):
    """Two blocks a slot, each for one half with votes for it; N, Z and F of whatever it hears of."""

    def send(self, message: object) -> None:
        first = self.some()
        second = set(range(self.world.plan.people)) - first
        match message:
            case Vote() if message.kind != VoteKind.NULLIFY:
                self.say(message.subject, first)
                self.say(replace(message.subject, hash=digest(Tag.BLOB, message.hash)), second)
                self.say(nullify(message.epoch, message.slot), self.some())
            case Proposal():
                self.world.publish(self, message, first)
                self.second_block(message, second)
            case Snapshot():
                self.world.publish(self, message, first)
            case _:
                super().send(message)

    def second_block(self, proposal: Proposal, to: set[int]) -> None:
        """The same place in the chain with another text, just as valid."""
        block = self.disk.blocks[hash_of(proposal.header)]
        parent = self.disk.blocks.get(parent_of(block.justification, self.committee.root).hash)
        text, slot = block.text + b"bis", proposal.slot
        header = self.committee.header(slot, parent.header if parent else None, block.justification, text)
        self.world.publish(self, Block(header, block.justification, text))
        self.world.publish(self, self.committee.proposal(header), to)
        self.say(notarize(header, hash_of(header)), to)
        self.say(finalize(header, hash_of(header)), to)


class Conflicter(Liar):
    """Votes for hashes that no block has."""

    def send(self, message: object) -> None:
        if isinstance(message, Vote) and message.kind != VoteKind.NULLIFY:
            noise = digest(Tag.BLOB, self.world.rng.randbytes(8))
            self.say(replace(message.subject, hash=noise), self.some())
        else:
            super().send(message)


class Nuller(Liar):
    """Nullifies each slot as soon as it hears of it, and finalises it, too, when it can."""

    def feed(self, event: on.Event) -> None:
        slot = self.machine.slot
        super().feed(event)
        if self.up and self.machine.slot != slot:
            self.say(nullify(self.disk.epoch, self.machine.slot), set(range(self.world.plan.people)))


class Withholder(Liar):
    """Proposes blocks whose body nobody gets, or blocks that are wrong."""

    def send(self, message: object) -> None:
        if isinstance(message, Block):
            self.world.publish(self, message, set() if self.world.rng.random() < 0.7 else self.some())
        elif isinstance(message, Proposal) and self.world.rng.random() < 0.5:
            wrong = replace(message.header, app_root=digest(Tag.BLOB, message.signature))
            block = self.disk.blocks[hash_of(message.header)]
            self.world.publish(self, Block(wrong, block.justification, block.text))
            self.world.publish(self, self.committee.proposal(wrong, message.slot))
        else:
            super().send(message)


class Outdated(Liar):
    """Repeats what it said long ago."""

    def start(self) -> None:
        super().start()
        self.said: deque[object] = deque(maxlen=MEMORY)

    def send(self, message: object) -> None:
        self.said.append(message)
        super().send(self.said[self.world.rng.randrange(len(self.said))])


class Lingerer(Liar):
    """Honest in the epoch that runs; of the one before it nullifies and finalises whatever it likes."""

    def send(self, message: object) -> None:
        super().send(message)
        epoch = self.disk.epoch - 1
        if epoch >= 0 and isinstance(message, Vote):
            slot = self.committee.root.slot + self.world.rng.randrange(4)
            noise = digest(Tag.BLOB, self.world.rng.randbytes(8))
            height = self.committee.root.height + self.world.rng.randrange(2)
            self.say(Subject(VoteKind.FINALIZE, epoch, slot, height, noise), self.some())
            self.say(Subject(VoteKind.NOTARIZE, epoch, slot, height, noise), self.some())
            self.say(nullify(epoch, slot), self.some())


class Silent(Liar):
    """Never says anything."""

    def send(self, message: object) -> None:
        pass


_KINDS: dict[Style, type[Liar]] = {
    Style.EQUIVOCATOR: Equivocator,
    Style.CONFLICTER: Conflicter,
    Style.NULLER: Nuller,
    Style.WITHHOLDER: Withholder,
    Style.OUTDATED: Outdated,
    Style.LINGERER: Lingerer,
    Style.SILENT: Silent,
}
