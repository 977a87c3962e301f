"""A day (or any time) of a fleet, from its file and a seed to the facts of a report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from broker.core.effects import StoreFinal
from edge_client.core.bursts import Sleep
from edge_client.protocol.machine import Note, Refused
from firmware_profiles.fleet.device import FleetDevice
from firmware_profiles.fleet.founding import MIDNIGHT_MS, Founding
from firmware_profiles.fleet.training import RealTraining, SharedGraph
from firmware_profiles.fleet.troubles import Troubles
from firmware_profiles.fleet.work import Train
from firmware_profiles.lesson.bank import Bank
from firmware_profiles.lesson.digits import Examiner, Lesson, digits
from firmware_profiles.profiles.fleet import Fleet
from firmware_profiles.profiles.parts import Parts
from firmware_profiles.report.chain_log import ChainLog
from firmware_profiles.report.record import RunRecord
from firmware_profiles.report.summary import Crew, Run, Seen, summary
from firmware_profiles.report.tally import Tally
from firmware_profiles.simulate.chain import Chain, SimulationError
from firmware_profiles.simulate.device import Around, SimulatedShell
from firmware_profiles.simulate.infrastructure import Infrastructure
from firmware_profiles.simulate.network import LinkTimes, Network
from firmware_profiles.simulate.training import Replay, nothing
from firmware_profiles.simulate.world import Node, World, rare_collections
from firmware_profiles.twin.members import Member, members
from firmware_profiles.twin.mishaps import Mishap, Mishaps

SLICES = 400
BITS_MS = 1000


class Training(str, Enum):
    """What boards learn; see `training.py`."""

    NONE = "none"
    REPLAY = "replay"
    REAL = "real"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to rehearse: a fleet, for how long, from which seed, what its boards learn, when they sleep."""

    fleet: Fleet
    parts: Parts
    span_ms: int
    seed: int
    training: Training
    bank: Bank | None = None
    sleep: Sleep = Sleep.AUTO
    policy: str = "ours"

    @property
    def founding(self) -> Founding:
        """The chain and its devices."""
        return Founding(self.fleet, self.parts, self.seed, self.sleep)


@dataclass(slots=True)
class Rehearsal:
    """One simulated world with everything in it."""

    plan: Plan
    lesson: Lesson = field(default_factory=digits)
    world: World = field(init=False)
    devices: list[FleetDevice] = field(default_factory=list)
    tally: Tally = field(init=False)
    log: ChainLog = field(init=False)
    crew: tuple[Member, ...] = field(init=False)

    def __post_init__(self) -> None:
        plan, fleet = self.plan, self.plan.fleet
        began_ms = MIDNIGHT_MS
        self.crew = members(fleet)
        mishaps = plan.founding.mishaps
        network = Network(lambda: self.world.now_ms, self._loses(mishaps))
        self.world = World(began_ms, network.rules())
        self.tally = Tally.over(began_ms, plan.span_ms)
        examiner = None if plan.training is Training.NONE else Examiner(self.lesson)
        self.log = ChainLog(began_ms, examiner, self._joules)
        chain = Chain.found(plan.founding, self.lesson.graph)
        stage = Infrastructure(self.world, network, chain, self._observe, plan.seed)
        for number in stage.validators:
            stage.start_validator(number)
        around = Around(self.world, network, chain.files.genesis, self._train(), {})
        for member in self.crew:
            self._add(around, chain, member)
        Troubles(mishaps, stage, self.tally.injected).begin()

    def run(self, progress: Callable[[float], None] = lambda _share: None) -> RunRecord:
        """Let the time pass. Raises `SimulationError`, or our own bug, with seed and time in its notes."""
        began_s = time.monotonic()
        with rare_collections():
            for number in range(SLICES):
                self.world.run(self._until_ms(number + 1) - self.world.now_ms)
                progress((number + 1) / SLICES)
        for device in self.devices:
            device.finish()
        return self._facts(time.monotonic() - began_s)

    @property
    def passed_ms(self) -> int:
        """Virtual time since the rehearsal began."""
        return self.world.now_ms - MIDNIGHT_MS

    def say_from(self, at_ms: int, say: Callable[[str], None]) -> None:
        """From then on, a line for every event and effect."""

        def watch(name: str, what: object) -> None:
            if self.passed_ms >= at_ms:
                say(f"{self.passed_ms} {name} {what}")

        self.world.watch = watch

    def _until_ms(self, slices: int) -> int:
        return MIDNIGHT_MS + self.plan.span_ms * slices // SLICES

    # --- setting up ---------------------------------------------------------------------------------------

    def _observe(self, node: Node) -> None:
        store, log, world = node.executors[StoreFinal], self.log, self.world

        def final(effect: StoreFinal) -> None:
            store(effect)
            log.final(effect, world.now_ms)

        node.executors[StoreFinal] = final
        node.executors[Note] = lambda one: log.note(one, world.now_ms)
        node.executors[Refused] = log.refused

    def _train(self) -> Train:
        if self.plan.training is Training.NONE:
            return nothing
        if self.plan.training is Training.REAL:
            return RealTraining(self.lesson.shares, SharedGraph(self.lesson.graph))
        if self.plan.bank is None:
            raise SimulationError("replay needs a bank of updates")
        return Replay(self.plan.bank)

    def _add(self, around: Around, chain: Chain, member: Member) -> None:
        plan, fleet = self.plan, self.plan.fleet
        setup = plan.founding.device(member, chain.files.chain_id, chain.rules.verify)
        link, rate = setup.board.equipment.radio.link, fleet.scale.rate
        around.network.links[setup.identity.device] = LinkTimes(
            link.rate_down.typical * BITS_MS * rate, link.rate_up.typical * BITS_MS * rate, link.rtt.typical
        )
        self.tally.watch(member)
        device = FleetDevice(setup, SimulatedShell(around, setup), self.tally)
        self.devices.append(device)
        self.world.later(setup.power_up_ms, device.power_up)

    def _loses(self, mishaps: Mishaps) -> Callable[[str, int], bool]:
        def loses(client: str, number: int) -> bool:
            is_lost = mishaps.loses(client, number)
            if is_lost:
                self.tally.injected.count(Mishap.LOST_MESSAGE.value)
            return is_lost

        return loses

    # --- looking back -------------------------------------------------------------------------------------

    def _joules(self) -> float:
        return sum(one.setup.board.training_j + one.setup.board.radio_j for one in self.devices)

    def _facts(self, wall_s: float) -> RunRecord:
        plan = self.plan
        run = Run(
            mode="simulate",
            seed=plan.seed,
            training=plan.training.value,
            span_ms=plan.span_ms,
            wall_s=wall_s,
            policy=plan.policy,
        )
        crew = Crew(plan.fleet, self.crew, self.lesson.labels(one.number for one in self.crew))
        accounts = {one.setup.number: one.setup.identity.signer.public_key for one in self.devices}
        return summary(run, crew, Seen(self.tally, self.log, accounts))
