"""A day (or any time) of a fleet, from its file and a seed to the facts of a report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

from broker.core.effects import StoreFinal
from broker.founding_folder import election_rules, make_params
from edge_client import __version__
from edge_client.core.bursts import Sleep
from edge_client.core.identity import Identity
from edge_client.protocol.keys import Signer
from edge_client.protocol.machine import Note, Refused
from edge_client.protocol.params import REGISTRATIONS_PER_BLOCK_MAX
from firmware_profiles.lesson.bank import Bank
from firmware_profiles.lesson.digits import SHARES, Examiner, Lesson, digits
from firmware_profiles.profiles.fleet import Fleet
from firmware_profiles.report.chain_log import ChainLog
from firmware_profiles.report.record import RunRecord
from firmware_profiles.report.summary import Crew, Run, Seen, summary
from firmware_profiles.report.tally import Points, Tally, floor_of
from firmware_profiles.simulate.chain import Chain, SimulationError
from firmware_profiles.simulate.device import Around, DeviceSetup, SimulatedDevice, Train
from firmware_profiles.simulate.network import LinkTimes, Network
from firmware_profiles.simulate.training import Liar, NoTraining, Real, Replay
from firmware_profiles.simulate.troubles import Troubles
from firmware_profiles.simulate.world import Node, World
from firmware_profiles.twin.draws import drawn, share
from firmware_profiles.twin.members import Member, Parts, board_of, members, online_of

MIDNIGHT_S = 1_799_971_200
"""Every rehearsal begins at this midnight (Unix seconds; January 2027): a seed knows no today."""
COLUMNS = 96
"""Of the participation."""
TRACES_OF_A_GROUP = 2
POWER_UP_MS = 3_600_000
"""Within the first hour, every board is switched on."""
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


@dataclass(slots=True)
class Rehearsal:
    """One simulated world with everything in it."""

    plan: Plan
    lesson: Lesson = field(default_factory=digits)
    world: World = field(init=False)
    devices: list[SimulatedDevice] = field(default_factory=list)
    tally: Tally = field(init=False)
    log: ChainLog = field(init=False)
    troubles: Troubles = field(init=False)
    crew: tuple[Member, ...] = field(init=False)

    def __post_init__(self) -> None:
        plan, fleet = self.plan, self.plan.fleet
        began_ms = MIDNIGHT_S * 1000
        self.crew = members(fleet)
        network = Network(lambda: self.world.now_ms, plan.seed, fleet.faults.message_loss.typical)
        self.world = World(began_ms, network.rules())
        self.tally = Tally(began_ms, max(1, plan.span_ms // COLUMNS))
        examiner = None if plan.training is Training.NONE else Examiner(self.lesson)
        self.log = ChainLog(began_ms, examiner, self._joules)
        self.troubles = Troubles(self.world, network, plan.seed, began_ms)
        chain = self._chain()
        for number in range(fleet.job.validators):
            self._observe(chain.start_validator(self.world, number))
        self._trace()
        around = Around(self.world, self._train(chain), self.tally, {})
        for member in self.crew:
            self._add(around, chain, network, member)
        faults = fleet.faults
        self.troubles.lose_server(faults.mqtt_outages_a_day.typical, faults.mqtt_outage_lasts.typical)

    def run(self, progress: Callable[[float], None] = lambda _share: None) -> RunRecord:
        """Let the time pass. Raises `SimulationError`, or our own bug, with seed and time in its notes."""
        began_s = time.monotonic()
        for number in range(SLICES):
            self.world.run(self._until_ms(number + 1) - self.world.now_ms)
            progress((number + 1) / SLICES)
        for device in self.devices:
            device.finish()
        return self._facts(time.monotonic() - began_s)

    @property
    def passed_ms(self) -> int:
        """Virtual time since the rehearsal began."""
        return self.world.now_ms - MIDNIGHT_S * 1000

    def say_from(self, at_ms: int, say: Callable[[str], None]) -> None:
        """From then on, a line for every event and effect."""

        def watch(name: str, what: object) -> None:
            if self.passed_ms >= at_ms:
                say(f"{self.passed_ms} {name} {what}")

        self.world.watch = watch

    def _until_ms(self, slices: int) -> int:
        return MIDNIGHT_S * 1000 + self.plan.span_ms * slices // SLICES

    # --- setting up ---------------------------------------------------------------------------------------

    def _chain(self) -> Chain:
        fleet = self.plan.fleet
        rules = fleet.job.rules()
        params = make_params(self.lesson.graph, {**rules, **election_rules(fleet.job.validators, rules)})
        params = replace(params, registrations_max=min(REGISTRATIONS_PER_BLOCK_MAX, fleet.devices))
        return Chain.found(self.lesson.graph, params, fleet.job.validators, MIDNIGHT_S, self.plan.seed)

    def _observe(self, node: Node) -> None:
        store, log, world = node.executors[StoreFinal], self.log, self.world

        def final(effect: StoreFinal) -> None:
            store(effect)
            log.final(effect, world.now_ms)

        node.executors[StoreFinal] = final
        node.executors[Note] = lambda one: log.note(one, world.now_ms)
        node.executors[Refused] = log.refused

    def _train(self, chain: Chain) -> Train:
        sizes = chain.files.genesis.manifest.sizes
        if self.plan.training is Training.NONE:
            return NoTraining(sizes)
        if self.plan.training is Training.REAL:
            return Real(self.lesson)
        if self.plan.bank is None:
            raise SimulationError("replay needs a bank of updates")
        return Replay(self.plan.bank)

    def _trace(self) -> None:
        """The first boards of each group are looked at closely."""
        for member in self.crew:
            if member.of_group < TRACES_OF_A_GROUP:
                group = member.group
                self.tally.traces[member.number] = Points(group.name, group.board, floor_of(group))

    def _add(self, around: Around, chain: Chain, network: Network, member: Member) -> None:
        plan, fleet = self.plan, self.plan.fleet
        signer = Signer(drawn(plan.seed, f"key {member.name}"))
        identity = Identity(signer, chain.files.chain_id, verify=chain.rules.verify)
        board = board_of(member, fleet, plan.parts, MIDNIGHT_S * 1000)
        setup = DeviceSetup(
            number=member.number,
            share=member.number % SHARES,
            identity=identity,
            limits=member.group.limits,
            sleep=plan.sleep,
            board=board,
            samples=member.samples,
            drop_out=fleet.dropout,
            seed=plan.seed,
        )
        train = Liar(chain.files.genesis.manifest.sizes) if member.is_byzantine else around.train
        device = SimulatedDevice(Around(around.world, train, around.tally, around.pool), setup)
        self.devices.append(device)
        link = board.equipment.radio.link
        rate = fleet.scale.rate
        network.links[identity.device] = LinkTimes(
            link.rate_down.typical * BITS_MS * rate, link.rate_up.typical * BITS_MS * rate, link.rtt.typical
        )
        self.troubles.follow(device, online_of(member, fleet))
        self.troubles.crash(device, fleet.faults.crashes_a_day.typical)
        wait = share(plan.seed, f"power-up {member.name}")
        self.world.later(round(wait * min(POWER_UP_MS, plan.span_ms / 4)), device.power_up)

    # --- looking back -------------------------------------------------------------------------------------

    def _joules(self) -> float:
        return sum(one.setup.board.training_j + one.setup.board.radio_j for one in self.devices)

    def _facts(self, wall_s: float) -> RunRecord:
        plan = self.plan
        balances = self.log.balances()
        for one in self.devices:
            own, board = self.tally.of(one.setup.number), one.setup.board
            own.joules_training, own.joules_radio = board.training_j, board.radio_j
            own.floor_breaks = board.floor_breaks
            own.rewards = balances.get(one.setup.identity.signer.public_key, 0)
        run = Run(
            mode="simulate",
            policy=plan.policy,
            seed=plan.seed,
            training=plan.training.value,
            span_ms=plan.span_ms,
            wall_s=wall_s,
            speed=None,
            software=__version__,
        )
        names = [self.lesson.label(number) for number in range(SHARES)]
        labels = {one.setup.number: names[one.setup.share] for one in self.devices}
        crew = Crew(plan.fleet, self.crew, labels)
        return summary(run, crew, Seen(self.tally, self.log, self.troubles.faults))
