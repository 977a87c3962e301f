"""One simulated validator: the machine under test, a disk that can be torn, and a toy host for its blocks.

A toy block is a header, its justification and a text: the number of the round it closes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.core.consensus import events as on
from broker.core.consensus.justification import Parent, parent_of
from broker.core.consensus.log_entries import Entry, decode_log, encode_entry, place_of
from broker.core.consensus.simplex import Simplex
from edge_client.protocol.header import Header
from edge_client.protocol.machine import LinkLost, LinkUp, Refused, Woke
from edge_client.protocol.votes import Certificate, Proposal, Snapshot, Vote
from tests.simulation.consensus_parts import CHAIN_ID, GENESIS, ROOT, hash_of
from tests.simulation.consensus_plan import TIMING

if TYPE_CHECKING:
    from tests.simulation.consensus_world import World

Spoken = Vote | Proposal | Snapshot
RETRY_MS = 700
SYNC_GAP = 4


@dataclass(frozen=True)
class Block:
    """What travels between hosts."""

    header: Header
    justification: tuple[Certificate, ...]
    text: bytes


@dataclass(frozen=True)
class AskBlock:
    """A host wants a block."""

    hash: bytes


class Disk:
    """The log, of which the end may be lost until it is synced, executed blocks and the decided head."""

    def __init__(self) -> None:
        self.log = bytearray()
        self.synced = 0
        self.blocks: dict[bytes, Block] = {}
        self.rounds = {CHAIN_ID: 0}
        self.head = GENESIS
        self.root = ROOT
        self.epoch = 0

    def decide(self, head: on.FinalBlock, header: Header, seals: bool) -> None:
        """Move the head; in the same step, after the last block of an epoch, to the next one."""
        self.head = head
        if seals:
            self.epoch, self.root = header.epoch + 1, Parent(head.hash, header.height, header.slot)
            self.head = on.FinalBlock.root(self.root)

    def append(self, entry: Entry) -> None:
        self.log += encode_entry(entry)

    def sync(self) -> None:
        self.synced = len(self.log)

    def tear(self, at: float) -> None:
        """Lose a part of what was not synced."""
        del self.log[self.synced + int(at * (len(self.log) - self.synced)) :]
        self.sync()

    def entries(self) -> list[Entry]:
        """The log after a restart, cut where it was torn."""
        entries, good_bytes = decode_log(bytes(self.log))
        del self.log[good_bytes:]
        self.sync()
        return entries

    def prune(self, certificate: Certificate) -> None:
        """Drop entries that it makes useless."""
        place = place_of(certificate)
        kept = [one for one in decode_log(bytes(self.log))[0] if place_of(one) >= place]
        self.log = bytearray(b"".join(encode_entry(one) for one in kept))
        self.sync()


class Node:
    """Person `index` of `world`, with or without a seat; `salt` makes the blocks of twins differ."""

    def __init__(self, world: World, index: int, salt: bytes = b"") -> None:
        self.world, self.index, self.salt = world, index, salt
        self.disk = Disk()
        self.work = 0
        self.up = self.linked = False
        self.crash_in: int | None = None
        self.clock_ms = 1_000_000
        self.machine: Simplex
        self.start()

    # --- process --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """(Re)start from disk."""
        self.up, self.crash_in = True, None
        self.convene()
        self.bodies: dict[bytes, Block] = dict(self.disk.blocks)
        self.asked_ms: dict[bytes, int] = {}

    def convene(self) -> None:
        """The machine of the epoch that the disk is in; an observer's without a seat in it."""
        self.committee = self.world.committee_of(self.disk.epoch)
        self.seat = self.committee.seat_of(self.index)
        sign = self.world.committee.people[self.index][1]
        setup = self.committee.setup(self.seat, TIMING)
        self.machine = Simplex(setup, sign, self.world.verify, self.disk.head, self.disk.entries())
        self.building: on.BuildBlock | None = None
        self.checks: dict[bytes, Header | None] = {}

    def move_on(self) -> None:
        """Into the epoch that has begun on disk."""
        if not self.up or self.machine._setup.epoch == self.disk.epoch:
            return
        self.convene()
        if self.linked:
            self.feed(LinkUp("server"))
        self.announce()

    def crash(self) -> None:
        """Lose everything but the disk."""
        self.disk.tear(self.world.rng.random())
        self.up = self.linked = False

    def link(self, linked: bool) -> None:
        """Connect or disconnect."""
        if self.up and linked != self.linked:
            self.linked = linked
            self.feed(LinkUp("server") if linked else LinkLost("gone"))
            self.host()

    def feed(self, event: on.Event) -> None:
        """Run the machine and its effects; the process may die between any two of them."""
        if not self.up:
            return
        now_ms = self.world.now_ms + self.clock_ms
        for effect in self.machine.handle(event, now_ms):
            if self.crash_in is not None:
                self.crash_in -= 1
                if self.crash_in < 0:
                    self.crash()
                    return
            self.run(effect)
        self.move_on()
        self.rearm()

    def rearm(self) -> None:
        """Have the machine woken at its deadline."""
        deadline_ms = self.machine.deadline()
        if deadline_ms is not None:
            self.world.wake(self, deadline_ms - self.world.now_ms - self.clock_ms)

    def wake(self) -> None:
        """A planned wake-up: the deadline came, or has moved meanwhile."""
        deadline_ms = self.machine.deadline()
        if deadline_ms is not None and deadline_ms <= self.world.now_ms + self.clock_ms:
            self.feed(Woke())
        else:
            self.rearm()

    # --- effects --------------------------------------------------------------------------------------------

    def run(self, effect: on.Effect) -> None:
        """Do what the machine asks."""
        self.world.note(self, effect)
        match effect:
            case on.Persist(entry):
                self.disk.append(entry)
            case on.Broadcast(message):
                self.disk.sync()
                self.send(message)
            case on.PublishSnapshot():
                self.disk.sync()
                self.send(effect.snapshot)
            case on.BuildBlock():
                self.building = effect
                self.soon(self.host)
            case on.CheckBlock(proposal):
                self.checks.setdefault(hash_of(proposal.header), proposal.header)
                self.soon(self.host)
            case on.FetchBlock():
                self.checks[effect.hash] = None
                self.soon(self.host)
            case on.Decided(certificate, hashes):
                self.decide(certificate, hashes)
            case on.Evidence():
                self.world.accuse(self, effect)
            case on.Diverged(detail):
                self.world.fail(f"validator {self.index} diverged: {detail}")
            case Refused():
                pass

    def send(self, message: object) -> None:
        """Publish to everybody else."""
        self.world.publish(self, message)

    def soon(self, action) -> None:
        """Do it after a moment of work, unless the process dies meanwhile."""
        machine = self.machine
        delay_ms = self.world.rng.randint(0, 30)
        self.world.after(delay_ms, lambda: action() if self.up and self.machine is machine else None)

    def decide(self, certificate: Certificate, hashes: tuple[bytes, ...]) -> None:
        """Move the head on disk and forget the log below it."""
        for block_hash in hashes:
            self.world.decided(self, self.disk.blocks[block_hash].header)
        subject = certificate.subject
        head = on.FinalBlock(subject.height, subject.hash, subject.slot, certificate)
        header = self.disk.blocks[subject.hash].header
        self.disk.decide(head, header, self.world.seals(self.committee, header))
        self.disk.prune(certificate)
        self.soon(self.announce)

    # --- host -----------------------------------------------------------------------------------------------

    @property
    def rounds(self) -> int:
        """Rounds closed by the decided chain."""
        return self.disk.rounds[self.disk.head.hash]

    def announce(self) -> None:
        """Say whether something is due."""
        self.feed(on.RoundDue(self.work > self.rounds))

    def learn_work(self, rounds: int) -> None:
        """The updates of rounds up to `rounds` are here."""
        self.work = max(self.work, rounds)
        self.announce()
        self.host()

    def hear(self, person: int, message: Spoken) -> None:
        """A message for the machine; one of a later epoch says that this node is behind."""
        epoch, sender = epoch_of(message), self.committee.seat_of(person)
        if epoch is not None and epoch > self.disk.epoch:
            self.sync()
        elif sender is not None and epoch in (None, self.disk.epoch):
            match message:
                case Vote():
                    self.feed(on.VoteReceived(sender, message))
                case Proposal():
                    self.feed(on.ProposalReceived(sender, message))
                case Snapshot():
                    self.feed(on.SnapshotReceived(sender, message))

    def take(self, sender: int, message: object) -> None:
        """A message between hosts."""
        if isinstance(message, Block):
            self.bodies[hash_of(message.header)] = message
            self.host()
        elif isinstance(message, AskBlock) and message.hash in self.disk.blocks:
            self.send(self.disk.blocks[message.hash])

    def host(self) -> None:
        """Answer what can be answered now."""
        if not self.up:
            return
        self.build()
        for block_hash in sorted(self.checks):
            self.check(block_hash)

    def build(self) -> None:
        """Answer `BuildBlock` when there is work."""
        build = self.building
        if build is None or build.parent_hash not in self.disk.rounds:
            return
        closed = self.disk.rounds[build.parent_hash]
        if self.work <= closed:
            return
        text = b"%d%s" % (closed + 1, self.salt)
        self.building = None
        parent = self.disk.blocks.get(build.parent_hash)
        header = self.committee.header(
            build.slot, parent.header if parent else None, build.justification, text
        )
        self.store(Block(header, build.justification, text))
        self.send(self.disk.blocks[hash_of(header)])
        self.feed(on.BlockBuilt(header, build.justification, self.world.plan.seals(header.height)))

    def check(self, block_hash: bytes) -> None:
        """Execute a block when it and its parent are here, else ask around."""
        if not self.up or block_hash not in self.checks:
            return
        block, proposed = self.bodies.get(block_hash), self.checks[block_hash]
        if block is None:
            self.ask(block_hash)
            return
        parent_hash = parent_of(block.justification, self.disk.root).hash
        if parent_hash not in self.disk.rounds:
            self.checks.setdefault(parent_hash, None)
            if parent_hash not in self.bodies:
                self.ask(parent_hash)
            return
        verdict = self.judge(block, parent_hash, proposed is not None)
        if verdict is None:
            return
        del self.checks[block_hash]
        if verdict is on.Verdict.VALID:
            self.store(block)
        seals = self.world.plan.seals(block.header.height)
        self.feed(on.BlockChecked(block.header, block.justification, verdict, "toy", seals))
        self.soon(self.host)

    def judge(self, block: Block, parent_hash: bytes, live: bool) -> on.Verdict | None:
        """What execution says; None while a live block closes a round whose updates are not here."""
        parent = self.disk.blocks.get(parent_hash)
        header, closed = block.header, self.disk.rounds[parent_hash]
        made = self.committee.header(
            header.slot, parent.header if parent else None, block.justification, block.text
        )
        if made != header or not block.text.startswith(b"%d" % (closed + 1)):
            return on.Verdict.INVALID
        if not live:
            return on.Verdict.VALID
        if self.work <= closed:
            return None
        return on.Verdict.UNTIMELY if self.world.chance(self.world.plan.untimely) else on.Verdict.VALID

    def store(self, block: Block) -> None:
        """Keep an executed block on disk."""
        block_hash = hash_of(block.header)
        parent_hash = parent_of(block.justification, self.disk.root).hash
        self.disk.blocks[block_hash] = self.bodies[block_hash] = block
        self.disk.rounds[block_hash] = self.disk.rounds[parent_hash] + 1

    def ask(self, block_hash: bytes) -> None:
        """Ask everybody for a block, again and again; or copy a decided chain that has it."""
        now_ms = self.world.now_ms
        if not self.linked or now_ms - self.asked_ms.get(block_hash, -RETRY_MS) < RETRY_MS:
            return
        self.asked_ms[block_hash] = now_ms
        if self.checks[block_hash] is None and self.world.chance(0.2) and self.sync():
            return
        self.send(AskBlock(block_hash))
        self.world.after(RETRY_MS, self.host)

    def sync(self) -> bool:
        """Copy the decided chain of somebody who is well ahead."""
        ahead = self.world.ahead_of(self)
        if ahead is None:
            return False
        self.disk.blocks.update(ahead.disk.blocks)
        self.disk.rounds.update(ahead.disk.rounds)
        self.bodies.update(ahead.disk.blocks)
        head = self.disk.head = ahead.disk.head
        header = self.disk.blocks[head.hash].header
        self.world.decided(self, header)
        if ahead.disk.epoch > self.disk.epoch:
            self.disk.epoch, self.disk.root = ahead.disk.epoch, ahead.disk.root
            self.move_on()
        elif head.certificate is not None:
            self.feed(on.Finalised(header, head.certificate))
        self.soon(self.announce)
        return True


def epoch_of(message: Spoken) -> int | None:
    """What epoch it is about; None of a snapshot that holds nothing."""
    match message:
        case Vote():
            return message.epoch
        case Proposal():
            return message.header.epoch
        case Snapshot():
            epochs = {one.epoch for one in message.votes}
            return max(epochs | {one.subject.epoch for one in message.certificates}, default=None)
