"""Founding a chain on disk: `chain/`, `owner.key`, `validator-<i>/`, `mqtt/` and `join.txt` in one folder.

Validators of other people bring only their public key (`edge-broker key` makes one where it will stay); for
them the folder holds no secret.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.config import validator_toml
from broker.founding import ChainFiles, Founders, found
from broker.mqtt_server.acl import AccessList
from broker.mqtt_server.mosquitto import ACL_FILE, ServerTls, acl_text, config_text
from edge_client.litert.graph import RuntimeMissingError, TrainingGraph
from edge_client.litert.ir import ModelError
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.genesis import Admission
from edge_client.protocol.join import Join
from edge_client.protocol.keys import Signer, is_small_order, node_id
from edge_client.protocol.params import CLIP_ONE, LEARNING_RATE_ONE, PARAMS_VERSION, RoundParams, Selection
from edge_client.protocol.topics import Topics
from edge_client.protocol.validators import ONE_VALIDATOR, VALIDATORS_MAX, VALIDATORS_MIN
from edge_client.runtime.files import replace
from edge_client.runtime.keystore import KeyFileError, create_seed
from edge_client.runtime.mqtt_options import ServerAddress, ServerUrlError, parse_server

BODY_WINDOW_ROUNDS = 64
K_MAX_FACTOR = 4
MINT = 1_000_000
EPOCH_BLOCKS, BOND, UNBONDING_BLOCKS = 64, MINT, 1024
"""Unless told: an election every 64 blocks, and a bond of what one round mints."""
CHURN_TWO_FROM_VALIDATORS = 8


class FoundingError(Exception):
    """The chain cannot be founded like this; the text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where, from what, and who. `validator_keys` are those of others; the rest of `validator_count` are made
    here. `admitted` are device keys, for admission by list."""

    folder: Path
    graph: Path
    servers: tuple[str, ...]
    validator_count: int
    ca_file: Path | None = None
    validator_keys: tuple[bytes, ...] = ()
    admission: Admission = Admission.OPEN
    admitted: tuple[bytes, ...] = ()


def check_count(validators: int) -> None:
    """Raises `FoundingError` where no chain has so many."""
    if validators != ONE_VALIDATOR and not VALIDATORS_MIN <= validators <= VALIDATORS_MAX:
        raise FoundingError(f"--validators {validators}: 1 for a trial, or 4 to {VALIDATORS_MAX}")


def found_in_folder(plan: Plan, rules: Mapping[str, Any]) -> Join:
    """Write everything; raises `FoundingError` before anything is written when something is wrong."""
    folder = plan.folder
    if folder.exists() and any(folder.iterdir()):
        raise FoundingError(f"{folder} is not empty; choose a new folder, chains are never overwritten")
    check_count(plan.validator_count)
    _check_keys(plan)
    try:
        addresses = [parse_server(url) for url in plan.servers]
    except ServerUrlError as error:
        raise FoundingError(str(error)) from error
    ca_sha256, settings = _fingerprint(plan.ca_file), _settings(plan)
    graph = _read_graph(plan.graph)
    params = _params(graph, {**rules, **election_rules(plan.validator_count, rules)})
    own = [Signer(seed).public_key for seed in _make_keys(folder, plan)]
    validators = (*own[:-1], *plan.validator_keys)
    founders = Founders(validators, (own[-1],), 1, plan.admission, plan.admitted)
    files = found(graph, founders, params, int(time.time()))
    files.write(folder / "chain")
    for index in range(plan.validator_count):
        replace(folder / f"validator-{index}" / "validator.toml", settings)
    _write_mqtt(folder / "mqtt", files, addresses[0], plan.ca_file)
    join = Join(plan.servers, files.chain_id, ca_sha256=ca_sha256)
    replace(folder / "join.txt", f"{join.text()}\n".encode())
    return join


def _check_keys(plan: Plan) -> None:
    """What genesis would refuse about the keys that others brought."""
    given = len(plan.validator_keys)
    if given > plan.validator_count:
        raise FoundingError(f"{given} of --validator-key for {plan.validator_count} validators")
    for option, keys in (("--validator-key", plan.validator_keys), ("--device-key", plan.admitted)):
        if len(set(keys)) != len(keys) or any(is_small_order(key) for key in keys):
            raise FoundingError(f"a key of {option} stands twice, or is not a usable Ed25519 key")
    if (plan.admission == Admission.LIST) != bool(plan.admitted):
        raise FoundingError("--admission list and --device-key go together: give both or none")


def _read_graph(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        hint = "make one with: edge-client trainable MODEL.tflite -o trainable.tflite"
        raise FoundingError(f"cannot read the training graph {path} ({error.strerror}); {hint}") from error


def _make_keys(folder: Path, plan: Plan) -> list[bytes]:
    """Seeds of the validators that are made here, then the owner's; folders for all validators."""
    made_count = plan.validator_count - len(plan.validator_keys)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"validator-{index}" / "validator.key" for index in range(plan.validator_count)]
        for path in paths:
            path.parent.mkdir(mode=0o700)
        return [create_seed(path) for path in (*paths[:made_count], folder / "owner.key")]
    except (OSError, KeyFileError) as error:
        raise FoundingError(f"cannot write to {folder}: {error}") from error


def _params(graph: bytes, rules: Mapping[str, Any]) -> RoundParams:
    try:
        params = make_params(graph, rules)
        params.check()
    except DecodeError as error:
        raise FoundingError(f"these rules contradict each other: {error.detail}") from error
    except (ModelError, RuntimeMissingError) as error:
        raise FoundingError(f"the training graph cannot be used: {error}") from error
    except ValueError as error:
        raise FoundingError(f"--learning-rate and --clip-norm must be numbers: {error}") from error
    return params


def election_rules(validator_count: int, rules: Mapping[str, Any]) -> dict[str, int]:
    """How often seats are elected anew and how many may change at once; all zero for a set that stays: with
    `epoch_blocks` 0, or with a single validator, which has nobody to outvote a newcomer."""
    epoch_blocks = rules.get("epoch_blocks", EPOCH_BLOCKS) if validator_count > ONE_VALIDATOR else 0
    if not epoch_blocks:
        return {"epoch_blocks": 0, "churn_max": 0, "bond": 0}
    churn_max = 2 if validator_count >= CHURN_TWO_FROM_VALIDATORS else 1
    return {"epoch_blocks": epoch_blocks, "churn_max": churn_max, "bond": rules.get("bond", BOND)}


def make_params(graph: bytes, rules: Mapping[str, Any]) -> RoundParams:
    """RoundParams from the options of `init` and `election_rules`; the batch size is the graph's own. Without
    `selected`, every device is asked in every round."""
    selected = rules.get("selected")
    return RoundParams(
        version=PARAMS_VERSION,
        optimizer=0,
        rule=0,
        selection=Selection.EXACT if selected else Selection.ALL,
        codecs=1,
        partial_min_pct=10,
        staleness_max=8,
        local_epochs=rules["epochs"],
        batch=TrainingGraph.open(graph).manifest.batch,
        k=rules["k"],
        k_max=rules["k"] * K_MAX_FACTOR,
        min_updates=rules["min_updates"],
        selected=selected or rules["k"],
        records_wait_s=rules["records_wait_s"],
        registrations_max=64,
        body_window=BODY_WINDOW_ROUNDS,
        round_s=rules["round_s"],
        sample_cap=rules["sample_cap"],
        learning_rate_q20=round(rules["learning_rate"] * LEARNING_RATE_ONE),
        clip_norm_q20=round(rules["clip_norm"] * CLIP_ONE),
        mint=MINT,
        rollback_epsilon_micro=0,
        rollback_k=0,
        rollback_m=0,
        epoch_blocks=rules["epoch_blocks"],
        churn_max=rules["churn_max"],
        bond=rules["bond"],
        unbonding_blocks=UNBONDING_BLOCKS,
    )


def _settings(plan: Plan) -> bytes:
    """The `validator.toml` of every validator that is founded here."""
    try:
        return validator_toml(plan.servers, str(plan.ca_file.resolve()) if plan.ca_file else None).encode()
    except ValueError as error:
        raise FoundingError(f"--ca-file: {error}") from error


def _fingerprint(ca_file: Path | None) -> bytes | None:
    if ca_file is None:
        return None
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(ca_file.read_text().strip())).digest()
    except (OSError, ValueError) as error:
        raise FoundingError(f"cannot read a PEM certificate from --ca-file {ca_file}: {error}") from error


def access_list(files: ChainFiles) -> AccessList:
    """Who may use which topics of this chain."""
    names = frozenset(node_id(key) for key in files.genesis.validators.keys)
    return AccessList(Topics.of(files.chain_id).chain, names)


def _write_mqtt(folder: Path, files: ChainFiles, address: ServerAddress, ca_file: Path | None) -> None:
    """A Mosquitto configuration and access list; with mqtts:// it asks every client for its certificate, and
    expects the server's own beside it."""
    folder.mkdir()
    acl_file = (folder / ACL_FILE).resolve()
    replace(acl_file, acl_text(access_list(files)).encode())
    listen = ServerAddress("0.0.0.0", address.port, address.tls)  # noqa: S104 - devices come from outside
    here = folder.resolve()
    authority = ca_file.resolve() if ca_file else here / "ca.pem"
    tls = ServerTls(authority, here / "server.pem", here / "server.key") if address.tls else None
    replace(folder / "mosquitto.conf", config_text(listen, acl_file, tls).encode())
