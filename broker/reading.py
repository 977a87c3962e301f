"""Reading a validator's folder from outside, for `edge-broker status` and tools."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from broker.adapters.block_store import DATABASE_FILE
from broker.adapters.status_file import read_status_file
from broker.config import ValidatorConfig
from broker.core.effects import StoredFinal
from broker.core.seating import deciding_epoch
from broker.founding import ChainFiles
from broker.service import open_store
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.seats import Seats
from edge_client.runtime.keystore import KeyFileError, load_seed


def read_status(config: ValidatorConfig) -> dict[str, Any]:
    """Facts from the disk, and counters of the running (or last) process."""
    files = ChainFiles.read(config.validator.chain_dir)
    stored = _stored(config, files)
    final = stored.head
    running = read_status_file(config.validator.state_dir)
    pid = running.get("pid")
    facts: dict[str, Any] = {
        "chain": files.chain_id.hex(),
        "validator": _name(config),
        "running": isinstance(pid, int) and _is_alive(pid),
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
        "refused": running.get("refused", {}),
    }
    return facts


@dataclass(frozen=True, slots=True)
class _OnDisk:
    """Finalised head; up to which height update bodies are pruned; heights of checkpoints; blocks that a
    checkpoint passed over and are not here yet; how many attacks on devices were proven."""

    head: StoredFinal | None = None
    pruned_to: int = 0
    checkpoints: str = ""
    lacking_blocks: int = 0
    light_attacks: int = 0


def _stored(config: ValidatorConfig, files: ChainFiles) -> _OnDisk:
    """Who only looks makes no files: they might not belong to the validator's user."""
    if not (config.validator.state_dir / DATABASE_FILE).exists():
        return _OnDisk()
    store = open_store(config.validator.state_dir, files)
    try:
        kept = store.retention
        heights = ", ".join(str(height) for height in kept.checkpoint_heights())
        head, attacks = store.load().head, len(store.attacks())
        return _OnDisk(head, kept.pruned_to, heights, kept.lacking_count(), attacks)
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


def _name(config: ValidatorConfig) -> str:
    """The node id, which is also the common name of its certificate; the reason when there is no key."""
    try:
        return node_id(Signer(load_seed(config.validator.key_file)).public_key)
    except KeyFileError as error:
        return str(error)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
