"""Composition root of a validator: builds adapters and machine, runs the event loop."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from broker.adapters.block_store import BlockStore
from broker.adapters.key_marker import REJOIN_HINT, KeyMarker
from broker.adapters.status_file import STATUS_FILE, STATUS_INTERVAL_MS, Reporting
from broker.adapters.together import Grouping, Together
from broker.config import ValidatorConfig
from broker.core.consensus.events import Diverged, Evidence, Timing
from broker.core.effects import EndRejoin, LogGap, StoreFinal
from broker.core.guard import RestoredError, Standing
from broker.core.identity import Identity
from broker.core.ledger import Clock as BlockClock
from broker.core.seating import seat_text
from broker.core.validator import Validator, ValidatorSetup
from broker.core.verified import VerifyOnce
from broker.founding import ChainFiles
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.keys import Signer, verify
from edge_client.protocol.machine import Note, Publish, Refused, Subscribe, Unsubscribe
from edge_client.runtime.clock import Clock, SystemClock
from edge_client.runtime.fan import FanTransport
from edge_client.runtime.keystore import load_seed
from edge_client.runtime.lock import single_instance
from edge_client.runtime.logs import EventLog, line
from edge_client.runtime.loop import EventLoop, LoopLimits, stop_on_signals
from edge_client.runtime.mqtt import MqttTransport

EVENTS_MAX = 65_536
EVENT_PAYLOAD_BYTES_MAX = 256 << 20
NONCE_SEED_BYTES = 32
_log = logging.getLogger("validator")


class DivergedError(Exception):
    """This validator's chain contradicts what more than two thirds signed; it must not go on."""


class End(Enum):
    """Why a run ended."""

    TOLD = "told to stop"
    CLOCK_SET_BACK = "the clock was set back"


class StrangerError(Exception):
    """A key without a seat or a bond on the chain: most likely a mistake."""


Witnessed = Note | Refused | StoreFinal


@dataclass(frozen=True, slots=True)
class Watch:
    """How others look on: `tell` gets each note, refusal and final block, with the time on `clock` (Unix
    milliseconds), by which the validator lives. `timing` is used instead of the configuration's. `begun` gets
    what stops the validator, to be called from any thread. The status file is written no more often than each
    `status_interval_ms` of that clock."""

    tell: Callable[[Witnessed, int], None] = lambda _effect, _now_ms: None
    clock: Clock = field(default_factory=SystemClock)
    timing: Timing | None = None
    begun: Callable[[Callable[[], None]], None] = lambda _stop: None
    status_interval_ms: int = STATUS_INTERVAL_MS


def run_validator(
    config: ValidatorConfig,
    watch: Watch | None = None,
    *,
    rejoin: bool = False,
    observe: bool = False,
) -> None:
    """Run until SIGTERM or SIGINT, or until `watch` ends it.

    `rejoin`: the log of own votes is not the whole one; sign only where nothing can have been signed before.
    Without `observe`, raises `StrangerError` for a key that has no seat and no bond.
    """
    signer = Signer(load_seed(config.validator.key_file))
    files = ChainFiles.read(config.validator.chain_dir)
    rules = Rules(files.genesis, files.chain_id, VerifyOnce(verify))
    identity = Identity.of(rules, signer)
    with single_instance(config.validator.state_dir, "validator"):
        if not observe:
            _check_seat(identity, config.validator.state_dir, files)
        seen = watch or Watch()
        while _run(config, files, identity, seen, rejoin=rejoin) == End.CLOCK_SET_BACK:
            mend = "nothing to do: the validator begins anew from its disk"
            _log.warning(line("clock_set_back", mend=mend))
            seen = replace(seen, clock=SystemClock())


def _check_seat(identity: Identity, folder: Path, files: ChainFiles) -> None:
    store = open_store(folder, files)
    try:
        head = store.load().head
    finally:
        store.close()
    state = head.state if head else genesis_state(identity.rules.genesis)
    seats, key = state.seats, identity.signer.public_key
    if not seats.holds_seat(key) and seats.candidate_with(key) is None:
        raise StrangerError(
            f"the key {identity.name} is not one of the chain's validators, nor a candidate, as far as is "
            "known here; if it shall become one: --observe"
        )


def _run(
    config: ValidatorConfig,
    files: ChainFiles,
    identity: Identity,
    watch: Watch,
    *,
    rejoin: bool,
) -> End:
    store = open_store(config.validator.state_dir, files)
    marker = _prepare_key(config, identity, store, rejoin=rejoin)
    store.remove_leftovers()
    clock, log = watch.clock, EventLog(_log)
    setup = _setup(watch.timing or config.timing.timing(), identity, rejoin=rejoin)
    validator = Validator(setup, store, store.load())
    path = config.validator.state_dir / STATUS_FILE
    reporting = Reporting(validator, path, log.refused_counts, watch.status_interval_ms)
    transport = FanTransport([MqttTransport(one) for one in config.mqtt.options(identity.name)])

    effects: dict[type[Any], Callable[[Any], None]] = {
        **store.executors(),
        **_told(watch, store, log, reporting),
        Publish: transport.publish,
        Subscribe: lambda one: transport.subscribe(one.filters),
        Unsubscribe: lambda one: transport.unsubscribe(one.filters),
        Evidence: _warn,
        EndRejoin: marker.end_rejoin,
        LogGap: partial(_stop_signing, marker),
        Diverged: _halt,
    }
    limits = LoopLimits(events_max=EVENTS_MAX, payload_bytes_max=EVENT_PAYLOAD_BYTES_MAX)
    ending = _Ending(clock)
    loop: EventLoop[Any, Any] = EventLoop(Grouping(reporting), effects, clock, limits, alive=ending.look)
    ending.stop = loop.request_stop
    seat, height = seat_text(validator.seated), validator.head.height
    effects[Note](Note("validator_started", {"validator": identity.name, "height": height, "seat": seat}))
    watch.begun(ending.tell)
    with stop_on_signals(ending.tell):
        transport.start(loop.post)
        try:
            loop.run()
        finally:
            transport.stop()
            reporting.write(clock.now_ms())
            store.close()
    return End.TOLD if ending.told else End.CLOCK_SET_BACK


@dataclass(slots=True)
class _Ending:
    """Why a loop ends: somebody told it to, or else its clock was set back far; deadlines made before that
    would come in a year. Who is told to end in that very turn does not begin anew."""

    clock: Clock
    stop: Callable[[], None] = lambda: None
    told: bool = False

    def tell(self) -> None:
        self.told = True
        self.stop()

    def look(self) -> None:
        if isinstance(self.clock, SystemClock) and self.clock.is_far_behind:
            self.stop()


def _told(
    watch: Watch, store: BlockStore, log: EventLog, reporting: Reporting
) -> dict[type[Any], Callable[[Any], None]]:
    """How what others look on at is executed."""
    stored, clock = store.executors(), watch.clock

    def note(one: Note) -> None:
        log.note(one)
        reporting.note(one, clock.now_ms())
        watch.tell(one, clock.now_ms())

    def refused(one: Refused) -> None:
        log.refused(one)
        reporting.changed()
        watch.tell(one, clock.now_ms())

    def together(group: Together) -> None:
        stored[Together](group)
        for one in group.effects:
            if isinstance(one, StoreFinal):
                watch.tell(one, clock.now_ms())

    return {Note: note, Refused: refused, Together: together}


def open_store(folder: Path, files: ChainFiles) -> BlockStore:
    """The validator's disk, with the chain's fixed objects in it."""
    genesis = files.genesis
    fixed = {files.chain_id: genesis.encode(), genesis.graph_root: files.graph}
    store = BlockStore(folder, genesis, fixed)
    if store.model(genesis.model_root) is None:
        store.store_model(genesis.model_root, files.model)
    return store


def _prepare_key(
    config: ValidatorConfig, identity: Identity, store: BlockStore, *, rejoin: bool
) -> KeyMarker:
    """Bind the key to the log, or loosen it for a rejoin; raises `RestoredError`."""
    marker = KeyMarker(config.validator.key_file, store.log_name)
    if not rejoin:
        marker.bind()
    elif identity.rules.genesis.validators.count == 1:
        raise RestoredError("a chain of one validator cannot be rejoined: nobody else knows what it signed")
    else:
        marker.loosen()
    return marker


def _setup(timing: Timing, identity: Identity, *, rejoin: bool) -> ValidatorSetup:
    """How this process starts; the nonces of every start are new."""
    return ValidatorSetup(
        identity,
        BlockClock(identity.rules.genesis.t0_s),
        timing,
        os.urandom(NONCE_SEED_BYTES),
        Standing(is_rejoining=rejoin),
    )


def _warn(effect: Evidence) -> None:
    _log.warning(line("evidence", offender=effect.offender, kind=type(effect.first).__name__))


def _stop_signing(marker: KeyMarker, _: LogGap) -> None:
    marker.loosen()
    raise RestoredError(f"it has signed what its log does not hold: {REJOIN_HINT}")


def _halt(effect: Diverged) -> None:
    raise DivergedError(effect.detail)
