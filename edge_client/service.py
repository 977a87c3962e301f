"""Composition root of a device: builds adapters and agent, runs the event loop."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from edge_client.adapters.conditions.board import Board, Roots
from edge_client.adapters.conditions.own_memory import read_kills, read_memory
from edge_client.adapters.conditions.traffic import Spending
from edge_client.adapters.conditions.watch import ConditionsWatch, Watched
from edge_client.adapters.data.own_data import OwnData
from edge_client.adapters.data.source import DataUnreadyError
from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.hook import Hook, parse_command
from edge_client.adapters.memory_guard import MemoryGuard
from edge_client.adapters.model_files import ModelFiles
from edge_client.adapters.publisher import NewModel, Publisher
from edge_client.adapters.status_file import STATUS_FILE, Reporting
from edge_client.adapters.trainer import Job, Trainer, TrainerSetup
from edge_client.adapters.training_marker import TrainingMarker
from edge_client.adapters.trust_file import Trusting, later, read_trusted
from edge_client.adapters.wish_file import WishFile, WishWatch
from edge_client.config import DeviceConfig
from edge_client.core.agent import LOST, Agent
from edge_client.core.bursts import Sleep
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.memory import MemoryReading, own_bytes_max
from edge_client.core.conditions.scheduler import Scheduler
from edge_client.core.events import (
    GoOffline,
    GoOnline,
    Halt,
    PauseTraining,
    PublishChunk,
    SaveObject,
    SettleWish,
    StartTraining,
    Stopping,
    StopTraining,
)
from edge_client.core.identity import Identity
from edge_client.core.verify import DAY_MS
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.machine import Note, Publish, Refused, Subscribe, Unsubscribe
from edge_client.runtime.allocator import return_freed
from edge_client.runtime.clock import SystemClock
from edge_client.runtime.code_pages import LoadedCode
from edge_client.runtime.keystore import KeyFileError, load_seed
from edge_client.runtime.lock import single_instance
from edge_client.runtime.logs import EventLog, line
from edge_client.runtime.loop import EventLoop, LoopLimits, stop_on_signals
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.notifier import Notifier
from edge_client.runtime.transport import Transport, Will

SEED_BYTES = 32
PAST_ROUNDS_MAX = 1000
"""Earlier rounds that predictions and the limit of rounds a day begin with."""
TRAINER_STOP_S_MAX = 5.0
PUBLISHER_STOP_S_MAX = 2.0
_log = logging.getLogger("device")

Executor = Callable[[Any], None]


class End(Enum):
    """Why a run ended."""

    TOLD = "told to stop"
    CLOCK_SET_BACK = "the clock was set back"


class HaltedError(Exception):
    """The chain contradicts what the device has verified; the owner must decide."""


def run_device(folder: Path, config: DeviceConfig, notifier: Notifier) -> None:
    """Run until SIGTERM or SIGINT; `notifier` says how it is. Raises `KeyFileError`, `AlreadyRunningError`,
    `DatabaseError`, `DataError` (data that the chain's model does not take) or `HaltedError`."""
    identity = _identity(folder, config)
    with single_instance(folder, "edge-client"):
        notifier.starting()
        while _run_once(folder, config, identity, notifier) == End.CLOCK_SET_BACK:
            _log.warning(line("clock_set_back", mend="nothing to do: the agent begins anew from its disk"))


def _run_once(folder: Path, config: DeviceConfig, identity: Identity, notifier: Notifier) -> End:
    disk = DeviceDisk(folder, identity.chain_id)
    try:
        will = Will(identity.topics.up_state(identity.device), LOST)
        transport = MqttTransport(config.mqtt_options(identity.device, will))
        hook = Hook(parse_command(config.hooks.model_updated), folder, _say("hook_failed"))
        threads = config.training.threads
        sleep = Sleep(config.mqtt.sleep)
        means = Means(transport, config.own_data(folder), threads, hook, notifier, config.limits, sleep)
        return Device(folder, identity, disk, means).run()
    finally:
        disk.close()


def _identity(folder: Path, config: DeviceConfig) -> Identity:
    join = config.chain.parsed()
    signer = Signer(load_seed(config.identity.key_file))
    checkpoint = later(join.checkpoint, read_trusted(folder))
    trusting_ms = config.chain.trusting_period_d * DAY_MS
    return Identity(signer, join.chain_id, join.voucher, checkpoint, trusting_ms)


@dataclass(frozen=True, slots=True)
class Means:
    """What the device reaches the world with: its link, its data, its processor, its owner's command, who
    started it, the limits its owner set, and whether it may leave the link between rounds."""

    transport: Transport
    data: OwnData
    threads: int
    hook: Hook
    notifier: Notifier
    limits: Limits
    sleep: Sleep = Sleep.NEVER


class Device:
    """One running agent with everything around it."""

    def __init__(self, folder: Path, identity: Identity, disk: DeviceDisk, means: Means) -> None:
        stored = disk.stored()
        if stored.conflict is not None:
            raise HaltedError(stored.conflict)
        _check_key(folder, identity, stored.account)
        self._identity = identity
        self._disk = disk
        self._means = means
        self._log = EventLog(_log)
        self._clock = SystemClock()
        self._wish = WishFile(folder)
        self._genesis = None if stored.genesis is None else Genesis.decode(stored.genesis)
        self._check_data()
        past = disk.costs(PAST_ROUNDS_MAX)
        self._scheduler = Scheduler(means.limits, past)
        agent = Agent(identity, os.urandom(SEED_BYTES), stored, self._scheduler, means.sleep)
        self._reporting = Reporting(agent, folder / STATUS_FILE, self._counters, means.notifier.status)
        self._loop: EventLoop[Any, Any] = EventLoop(
            Trusting(self._reporting, agent, folder),
            self._executors(),
            self._clock,
            _limits(means.notifier),
            alive=self._alive,
        )
        self._told = False
        spending = Spending(lambda: means.transport.traffic)
        key, post = identity.signer.public_key, self._loop.post
        self._guard = _memory_guard(means.limits)
        marker = TrainingMarker(folder, lambda: read_kills(Roots().proc))
        self._death = marker.death()
        self._trainer = Trainer(
            TrainerSetup(key, disk.objects, means.data, means.threads, post, spending, self._guard, marker)
        )
        self._watch = ConditionsWatch(
            Watched(
                folder=folder,
                board=Board(folder),
                traffic=lambda: means.transport.traffic,
                spending=spending,
                training=lambda: self._trainer.busy,
                post=post,
                clock=self._clock,
            )
        )
        self._publisher = Publisher(disk.objects, ModelFiles(folder), means.hook, _say("model_unpublished"))

    def run(self) -> End:
        """Run until told to stop; leaves a last status and the state `sleeping` behind."""
        with stop_on_signals(self._stop):
            self._log.note(Note("started", {"device": self._identity.device}))
            if self._death is not None:
                death = self._death
                self._log.note(Note("ended_in_training", {"round": death.round, "why": death.why}))
            self._means.transport.start(self._loop.post)
            watch = WishWatch(self._wish, self._loop.post)
            watch.start()
            self._watch.start()
            try:
                self._publish_model()
                LoadedCode().let_go()  # of what only starting took
                return_freed()
                self._loop.run()
                if self._told:
                    self._means.notifier.stopping()
                self._say_goodbye()
                self._trainer.join(TRAINER_STOP_S_MAX)
                self._loop.drain()  # where the trainer stopped
            finally:
                watch.stop()
                self._watch.stop()
                self._trainer.stop()
                self._means.transport.stop()
                self._trainer.join(TRAINER_STOP_S_MAX)
                self._publisher.stop(PUBLISHER_STOP_S_MAX)
                self._reporting.write()
        return End.TOLD if self._told else End.CLOCK_SET_BACK

    def _alive(self) -> None:
        """In every turn of the loop. Deadlines made while the clock was ahead would come in a year."""
        self._means.notifier.alive()
        if self._clock.is_far_behind:
            self._loop.request_stop()

    def _stop(self) -> None:
        self._told = True
        self._loop.request_stop()

    def _say_goodbye(self) -> None:
        executors = self._executors()
        for effect in self._reporting.handle(Stopping(), self._clock.now_ms()):
            executors[type(effect)](effect)

    def _executors(self) -> dict[type[Any], Executor]:
        transport = self._means.transport
        return {
            **self._disk.executors(),
            SaveObject: self._save_object,
            Publish: transport.publish,
            PublishChunk: lambda one: transport.publish(self._disk.chunk(one)),
            Subscribe: lambda one: transport.subscribe(one.filters),
            Unsubscribe: lambda one: transport.unsubscribe(one.filters),
            GoOffline: lambda _one: transport.sleep(),
            GoOnline: lambda _one: transport.wake(),
            StartTraining: self._start_training,
            PauseTraining: lambda _one: self._trainer.pause(),
            StopTraining: lambda _one: self._trainer.stop(),
            Halt: _halt,
            SettleWish: self._settle_wish,
            Note: self._log.note,
            Refused: self._refused,
        }

    def _save_object(self, effect: SaveObject) -> None:
        self._disk.objects.put(effect.root, effect.data)
        if effect.kind == ObjectKind.GENESIS:
            self._genesis = Genesis.decode(effect.data)
            self._check_data()
        else:
            self._publish_model()

    def _publish_model(self) -> None:
        """Whatever order graph, head and model arrive in: once all are here, the owner's programs get it."""
        head, objects = self._disk.chain.head(), self._disk.objects
        if self._genesis is None or head is None:
            return
        if objects.path(self._genesis.graph_root).is_file() and objects.path(head.app.model_root).is_file():
            model = NewModel(self._genesis, head.app.model_root, head.height, head.learning.round)
            self._publisher.offer(model)

    def _settle_wish(self, effect: SettleWish) -> None:
        self._wish.settle(effect)
        self._log.note(Note("wish_settled", {"outcome": effect.outcome}))

    def _check_data(self) -> None:
        """Data that do not fit are the owner's mistake; they are told before anything is trained. Data that
        are not there, or not ready, are waited for: a disk may be mounted later, a recorder may have begun
        just now, and each round looks again."""
        data = self._means.data
        if not data.source.there():
            _say("data_missing")(f"{data.source.text} is not there yet; rounds are left out until it is")
        elif self._genesis is not None:
            try:
                data.load(self._genesis.manifest, self._clock.now_ms())
            except DataUnreadyError as error:
                _say("data_missing")(f"{error}; rounds are left out until that is mended")

    def _start_training(self, effect: StartTraining) -> None:
        if self._genesis is None:
            raise RuntimeError("training was ordered before genesis was saved")
        interrupted = self._disk.checkpoint.get()
        root = interrupted.root if interrupted is not None and interrupted.order == effect.order else None
        self._trainer.start(self._genesis, Job(effect.order, tuple(self._disk.outbox.residual()), root))
        self._watch.hasten()

    def _refused(self, effect: Refused) -> None:
        self._log.refused(effect)
        self._reporting.changed()

    def _counters(self) -> dict[str, Any]:
        """Of this process."""
        traffic = self._means.transport.traffic
        refused = {reason.value: count for reason, count in self._log.refused_counts.items()}
        return {
            "refused": refused,
            "up_bytes": traffic.up_bytes,
            "down_bytes": traffic.down_bytes,
            "up_wire_bytes": traffic.up_wire_bytes,
            "down_wire_bytes": traffic.down_wire_bytes,
            "bursts": traffic.bursts,
            "last_end": None if self._death is None else f"in round {self._death.round}: {self._death.why}",
            "samples_max": self._guard.samples_max,
            "closed_gates": list(self._scheduler.closed),
            "messages_dropped": traffic.dropped_count + self._loop.dropped_count,
        }


def _memory_guard(limits: Limits) -> MemoryGuard:
    """Within the owner's limit, on this board."""
    roots = Roots()

    def read() -> MemoryReading:
        return read_memory(roots.proc, roots.sys / "fs/cgroup")

    return MemoryGuard(own_bytes_max(limits.memory_mb_max, read().total), read, _say("memory_short"))


def _limits(notifier: Notifier) -> LoopLimits:
    """The loop turns often enough for who watches it."""
    usual = LoopLimits()
    return replace(usual, nap_ms_max=min(usual.nap_ms_max, notifier.look_ms_max or usual.nap_ms_max))


def _check_key(folder: Path, identity: Identity, stored: AccountProof | None) -> None:
    """Raises `KeyFileError` for another device's key: what is kept here is signed with, and proven of, the
    key that this folder's account has."""
    owner = identity.device if stored is None else node_id(stored.account.public_key)
    if owner != identity.device:
        raise KeyFileError(
            f"the key is of device {identity.device}, but {folder} is of {owner};"
            " put that one's key back, or make a folder for this one: edge-client init"
        )


def _say(event: str) -> Callable[[str], None]:
    """One line in the log, from any thread."""
    return lambda why: _log.warning(line(event, why=why))


def _halt(effect: Halt) -> None:
    raise HaltedError(effect.why)
