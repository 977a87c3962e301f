"""Reading a validator's folder from outside, for `edge-broker status` and tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from broker.adapters.block_store import BlockStore
from broker.adapters.key_marker import KeyMarker
from broker.adapters.status_file import read_status_file
from broker.adapters.validator_database import DATABASE_FILE
from broker.config import ValidatorConfig
from broker.core.effects import StoredFinal
from broker.core.guard import Phase, RestoredError
from broker.core.seating import deciding_epoch
from broker.founding import ChainFiles
from broker.service import open_store
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.seats import Seats
from edge_client.runtime.keystore import KeyFileError, load_seed
from edge_client.runtime.lock import is_running

STOPPED, MUST_REJOIN = "stopped", "must rejoin"


def read_status(config: ValidatorConfig) -> dict[str, Any]:
    """Facts from the disk, and counters of the running (or last) process."""
    files = ChainFiles.read(config.validator.chain_dir)
    stored = _stored(config, files)
    final = stored.head
    words = read_status_file(config.validator.state_dir)
    running = is_running(config.validator.state_dir)
    facts: dict[str, Any] = {
        "chain": files.chain_id.hex(),
        "validator": _name(config),
        "running": running,
        "phase": _phase(words) if running else STOPPED if stored.may_sign else MUST_REJOIN,
        "height": final.header.height if final else 0,
        "head": final.header.hash(files.chain_id).hex() if final else files.chain_id.hex(),
        "round": final.state.learning.round if final else 1,
        "accounts": len(final.state.accounts) if final else 0,
        "epoch": deciding_epoch(_seats(final, files)),
        "seat": _seat(config, _seats(final, files)),
        "pruned_to": stored.pruned_to,
        "checkpoints": stored.checkpoints,
        "lacking_blocks": stored.lacking_blocks,
        "light_attacks": stored.light_attacks,
        **_candidacy(config, _seats(final, files), files),
        "refused": words.get("refused", {}),
    }
    return facts


@dataclass(frozen=True, slots=True)
class _OnDisk:
    """Finalised head; up to which height update bodies are pruned; heights of checkpoints; blocks that a
    checkpoint passed over and are not here yet; how many attacks on devices were proven;
    whether the key may sign with the log there."""

    head: StoredFinal | None = None
    pruned_to: int = 0
    checkpoints: str = ""
    lacking_blocks: int = 0
    light_attacks: int = 0
    may_sign: bool = True


def _stored(config: ValidatorConfig, files: ChainFiles) -> _OnDisk:
    """Who only looks makes no files: they might not belong to the validator's user."""
    if not (config.validator.state_dir / DATABASE_FILE).exists():
        return _OnDisk()
    store = open_store(config.validator.state_dir, files)
    try:
        kept = store.retention
        heights = ", ".join(str(height) for height in kept.checkpoint_heights())
        head, attacks = store.load().head, len(store.attacks())
        return _OnDisk(head, kept.pruned_to, heights, kept.lacking_count(), attacks, _may_sign(config, store))
    finally:
        store.close()


def _seats(final: StoredFinal | None, files: ChainFiles) -> Seats:
    return final.state.seats if final else Seats.of_genesis(files.genesis.validators)


def _seat(config: ValidatorConfig, seats: Seats) -> str:
    """Number of the own seat in the epoch of the next block; `none` for an observer."""
    try:
        key = Signer(load_seed(config.validator.key_file)).public_key
    except KeyFileError:
        return ""
    index = seats.next_validators.index_of(key)
    return "none" if index is None else str(index)


def _candidacy(config: ValidatorConfig, seats: Seats, files: ChainFiles) -> dict[str, Any]:
    """Who would take a seat, what this key has at stake, and which validators of genesis were convicted."""
    try:
        row = seats.candidate_with(Signer(load_seed(config.validator.key_file)).public_key)
    except KeyFileError:
        row = None
    return {
        "bond": "none" if row is None else row.bond,
        "candidates": len(seats.candidates),
        "convicted": [i for i in range(files.genesis.validators.count) if seats.convicted >> i & 1],
    }


def _may_sign(config: ValidatorConfig, store: BlockStore) -> bool:
    try:
        KeyMarker(config.validator.key_file, store.log_name).check()
    except RestoredError:
        return False
    return True


def _phase(words: dict[str, Any]) -> str:
    """What the process wrote down last; it listens from the start and writes when that is over."""
    note = words.get("phase")
    return str(note.get("phase")) if isinstance(note, dict) else Phase.LISTENING.value


def _name(config: ValidatorConfig) -> str:
    """The node id, which is also the common name of its certificate; the reason when there is no key."""
    try:
        return node_id(Signer(load_seed(config.validator.key_file)).public_key)
    except KeyFileError as error:
        return str(error)
