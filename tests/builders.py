"""Valid objects for tests: a test takes one, breaks one thing, and looks what happens.

`ChainMaker` makes a real chain without consensus and without a network: every block is executed, its header
commits to the outcome and a quorum of the genesis validators signs it. Everything is deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from operator import is_
from typing import Any

import numpy as np

from edge_client.protocol.body import Body, RecordProof, encode_block
from edge_client.protocol.chunks import ObjectKind, blob_root, chunk_hash, split
from edge_client.protocol.encoding import Reader, uint
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.execution.checks import Rules, steps_asked, voucher_claim, voucher_grant
from edge_client.protocol.execution.execute import Executed, Slot, execute
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.genesis import Admission, Genesis
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.header import HEADER_VERSION, Header
from edge_client.protocol.join import Voucher
from edge_client.protocol.keys import Purpose, Signer, signing_bytes, verify
from edge_client.protocol.light import HeaderRun, LightBlock
from edge_client.protocol.manifest import Loss, Manifest, TensorSpec
from edge_client.protocol.messages import UpdateOffer
from edge_client.protocol.mmr import EMPTY, Peaks
from edge_client.protocol.model import encode_model, model_root
from edge_client.protocol.params import PARAMS_VERSION, RoundParams
from edge_client.protocol.records import OWNERS_MAX, ParamsChange, Record, Register
from edge_client.protocol.state import ChainState
from edge_client.protocol.update import UpdateBody, UpdateHead, update_root_of
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.votes import Certificate, Finality, Quorum, finalize

TINY_MANIFEST = Manifest(
    loss=Loss.SOFTMAX_CROSS_ENTROPY,
    batch=4,
    outputs=2,
    input_dims=(3,),
    tensors=(TensorSpec("kernel", (2, 3)), TensorSpec("bias", (2,))),
)
GRAPH_BYTES = b"a training graph of two chunks " * 1000
T0_S = 1_800_000_000
DEVICES_MAX = 1 << 14


def make_signers(count: int, role: str = "validator") -> tuple[Signer, ...]:
    """Keys 0 to count-1 of a role; the same ones every time."""
    return tuple(_signer(i, role) for i in range(count))


@cache
def _signer(number: int, role: str) -> Signer:
    return Signer(make_seed(number, role))


def make_seed(number: int, role: str = "validator") -> bytes:
    """What a key of `make_signers` is made from."""
    return f"{role} {number}".encode().ljust(32, b".")


def make_params(**changes: Any) -> RoundParams:
    """Rules under which two updates close a round at once and one after 60 s."""
    params = RoundParams(
        version=PARAMS_VERSION,
        optimizer=0,
        rule=0,
        selection=0,
        codecs=1,
        partial_min_pct=50,
        staleness_max=8,
        local_epochs=1,
        batch=4,
        k=2,
        k_max=8,
        min_updates=1,
        selected=2,
        records_wait_s=5,
        registrations_max=64,
        body_window=100,
        round_s=60,
        sample_cap=1000,
        learning_rate_q20=1 << 17,
        clip_norm_q20=100 << 20,
        mint=1_000_000,
        rollback_epsilon_micro=0,
        rollback_k=0,
        rollback_m=0,
        epoch_blocks=0,
        churn_max=0,
        bond=0,
        unbonding_blocks=128,
    )
    changed = replace(params, **changes)
    changed.check()
    return changed


def make_model(manifest: Manifest = TINY_MANIFEST) -> bytes:
    """The initial model: small values, all different."""
    return encode_model(np.arange(manifest.parameter_count, dtype=np.int32) * 1000 - 3000)


def make_genesis(
    validators: int = 4,
    admission: Admission = Admission.OPEN,
    params: RoundParams | None = None,
    manifest: Manifest = TINY_MANIFEST,
    **changes: Any,
) -> Genesis:
    """A genesis of `make_signers` keys: roles "validator", "owner" (3, of whom 2 decide) and, when admission
    is by list, "device" (8)."""
    listed = [one.public_key for one in make_signers(8, "device")] if admission == Admission.LIST else []
    genesis = Genesis(
        t0_s=T0_S,
        validators=ValidatorSet(tuple(one.public_key for one in make_signers(validators))),
        owners=tuple(one.public_key for one in make_signers(3, "owner")),
        owner_threshold=2,
        admission=admission,
        admitted=tuple(listed),
        graph_root=blob_root(GRAPH_BYTES),
        graph_bytes=len(GRAPH_BYTES),
        manifest=manifest,
        model_root=model_root(make_model(manifest)),
        params=params or make_params(),
    )
    changed = replace(genesis, **changes)
    changed.check()
    return changed


def make_voucher(chain_id: bytes, number: int = 1, owner: int = 0) -> Voucher:
    """An admission that owner `owner` gave away."""
    seed = f"voucher {number}".encode().ljust(32, b".")
    granted = voucher_grant(chain_id, number, Signer(seed).public_key)
    return Voucher(number, owner, seed, make_signers(3, "owner")[owner].sign(granted))


def register(signer: Signer, chain_id: bytes, voucher: Voucher | None = None, **changes: Any) -> Register:
    """A signed registration; `changes` are made before the device signs."""
    record = Register(signer.public_key)
    if voucher is not None:
        holder = Signer(voucher.seed)
        record = Register(
            signer.public_key,
            voucher.number,
            voucher.owner,
            holder.public_key,
            voucher.owner_signature,
            holder.sign(voucher_claim(chain_id, signer.public_key)),
        )
    return replace(record, **changes).sign(signer, chain_id)


def params_change(chain_id: bytes, params: RoundParams, owners: Iterable[int] = (0, 1)) -> ParamsChange:
    """New rules with the signatures of these owners."""
    message, signers = (
        signing_bytes(Purpose.PARAMS, chain_id, params.encode()),
        make_signers(OWNERS_MAX, "owner"),
    )
    signing = set(owners)
    return ParamsChange(
        params, tuple(signers[i].sign(message) if i in signing else None for i in range(OWNERS_MAX))
    )


@dataclass(frozen=True, slots=True)
class MadeUpdate:
    """A signed head and the body it names."""

    head: UpdateHead
    body: bytes

    @property
    def offer(self) -> UpdateOffer:
        """The message that a device publishes first."""
        return UpdateOffer(self.head, tuple(chunk_hash(piece) for piece in split(self.body)))


def make_body(manifest: Manifest = TINY_MANIFEST, seed: int = 0) -> UpdateBody:
    """Codes that depend on `seed`, exponents between -12 and -10."""
    generator = np.random.Generator(np.random.PCG64(seed))
    codes = generator.integers(-127, 128, manifest.parameter_count, dtype=np.int8)
    return UpdateBody(tuple(-10 - i % 3 for i in range(len(manifest.sizes))), codes)


def make_update(
    chain: ChainMaker,
    account: int,
    body: UpdateBody | None = None,
    signer: Signer | None = None,
    **changes: Any,
) -> MadeUpdate:
    """An update of the open round (or the one named in `changes`) by a full participation with 40 samples;
    `changes` are made to the head before it is signed, and `chain` remembers the body."""
    signer = signer or chain.signer_of(account)
    data = (body or make_body(chain.genesis.manifest, seed=account)).encode()
    base = chain.state.base_of(changes.get("round", 0)) or chain.state.bases[-1]
    head = UpdateHead(
        account=account,
        round=base.round,
        base_height=base.height,
        base_model=base.model_root,
        update_root=update_root_of(signer.public_key, changes.get("round", base.round), data),
        size=len(data),
        samples=40,
        steps=steps_asked(chain.state.params.in_force, 40),
    )
    made = MadeUpdate(replace(head, **changes).sign(signer, chain.chain_id), data)
    chain.update_bodies[made.head.update_root] = data
    return made


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That an update stands in the block of `height`, as test vectors hold it."""

    update_root: bytes
    height: int
    proof: RecordProof

    def encode(self) -> bytes:
        """Root, height (u32), proof."""
        return self.update_root + uint(self.height, 4) + self.proof.encode()

    @classmethod
    def read(cls, reader: Reader) -> Inclusion:
        """Parse from a reader; raises `DecodeError`."""
        return cls(reader.take(HASH_BYTES), reader.uint(4), RecordProof.read(reader))


class ChainMaker:
    """A finalised chain in memory: one slot a block, ten seconds apart.

    `headers`, `bodies`, `outcomes` start with height 1; `states[h]` is the state after height h. Devices are
    the keys of `make_signers(n, "device")`; records are sorted by their bytes, so the number of an account is
    not the number of its key: `signer_of(account)` finds it.
    """

    def __init__(self, genesis: Genesis | None = None, devices: int = 0, graph: bytes = GRAPH_BYTES) -> None:
        self.genesis = genesis or make_genesis()
        self.graph = graph
        self.chain_id = self.genesis.chain_id()
        self.validators = self.genesis.validators
        self.signers = make_signers(self.validators.count)
        self.rules = Rules(self.genesis, self.chain_id, verify)
        self.states: list[ChainState] = [genesis_state(self.genesis)]
        self.headers: list[Header] = []
        self.bodies: list[Body] = []
        self.outcomes: list[Executed] = []
        initial = make_model(self.genesis.manifest)
        self.models: dict[bytes, bytes] = {model_root(initial): initial}
        self.update_bodies: dict[bytes, bytes] = {}
        self._device_signers: dict[bytes, Signer] = {}
        self._certificates: dict[Header, Certificate] = {}
        self._peaks: list[Peaks] = [EMPTY.append(self.chain_id)]
        self._under_peaks: list[Header] = []
        if devices:
            self.join(devices)

    # what `execute` needs

    def update(self, root: bytes) -> bytes | None:
        """The update body with this root."""
        return self.update_bodies.get(root)

    def model(self, root: bytes) -> bytes | None:
        """The model with this root."""
        return self.models.get(root)

    # what is there

    @property
    def height(self) -> int:
        """Blocks so far."""
        return len(self.headers)

    @property
    def state(self) -> ChainState:
        """The state after the last block."""
        return self.states[-1]

    @property
    def time_s(self) -> int:
        """Time of the last block."""
        return self.headers[-1].time_s if self.headers else 0

    def signer_of(self, account: int) -> Signer:
        """The key of a registered device of `make_signers`."""
        key = self.state.accounts[account].public_key
        while key not in self._device_signers and len(self._device_signers) < DEVICES_MAX:
            more = make_signers(2 * len(self._device_signers) + 16, "device")
            self._device_signers = {one.public_key: one for one in more}
        return self._device_signers[key]

    def leaves(self, height: int | None = None) -> list[bytes]:
        """Chain id, then the hashes of the headers up to `height`: the leaves under the next history root."""
        last = self.height if height is None else height
        return [self.chain_id, *(header.hash(self.chain_id) for header in self.headers[:last])]

    def peaks(self, height: int | None = None) -> Peaks:
        """Peaks after the block of `height`; made once, unless a test puts other headers into the chain."""
        if not all(map(is_, self._under_peaks, self.headers)):
            self._peaks, self._under_peaks = self._peaks[:1], []
        for header in self.headers[len(self._under_peaks) :]:
            self._under_peaks.append(header)
            self._peaks.append(self._peaks[-1].append(header.hash(self.chain_id)))
        return self._peaks[self.height if height is None else height]

    # making blocks

    def add(self, records: Iterable[Record] = (), time_s: int | None = None) -> LightBlock:
        """Execute these records as the next block and finalise it; raises what `execute` raises."""
        previous = [self.certificate(self.height)] if self.height else []
        body = Body.of(records, previous)
        seats = self.state.rolled(self.height + 1).seats
        time_s = self.time_s + 10 if time_s is None else time_s
        slot = Slot(self.height + 1, time_s, self.peaks().root())
        outcome = execute(self.rules, self.state, slot, body, self)
        if outcome.model is not None:
            self.models[model_root(outcome.model)] = outcome.model
        header = Header(
            version=HEADER_VERSION,
            flags=0,
            proposer=self.validators.leader(self.chain_id, slot.height),
            validators=self.validators.count,
            height=slot.height,
            slot=slot.height,
            time_s=time_s,
            epoch=seats.epoch,
            history_root=slot.history_root,
            body_root=body.root(),
            app_root=outcome.state.app_leaves().root(),
        )
        self.headers.append(header)
        self.bodies.append(body)
        self.outcomes.append(outcome)
        self.states.append(outcome.state)
        return self.light_block()

    def join(self, count: int) -> LightBlock:
        """Register the next `count` devices of `make_signers` in one block."""
        first = len(self.state.accounts)
        signers = make_signers(first + count, "device")[first:]
        vouchers = [
            make_voucher(self.chain_id, first + i + 1) if self.genesis.admission == Admission.TOKEN else None
            for i in range(count)
        ]
        pairs = zip(signers, vouchers, strict=True)
        return self.add([register(signer, self.chain_id, voucher) for signer, voucher in pairs])

    def close_round(self, accounts: Sequence[int] | None = None, time_s: int | None = None) -> LightBlock:
        """Close the open round with one update of each of these accounts (default: the first k)."""
        chosen = range(self.state.params.in_force.k) if accounts is None else accounts
        return self.add([make_update(self, account).head for account in chosen], time_s)

    # what validators would hand out

    def certificate(self, height: int, signers: Sequence[int] | None = None) -> Certificate:
        """The finality certificate of a block, by the first quorum of validators unless told."""
        header = self.headers[height - 1]
        if signers is not None:
            return self._certify(header, signers)
        if header not in self._certificates:
            self._certificates[header] = self._certify(header, range(self.validators.quorum))
        return self._certificates[header]

    def _certify(self, header: Header, signers: Sequence[int]) -> Certificate:
        subject = finalize(header, header.hash(self.chain_id))
        message = subject.signing_bytes(self.chain_id)
        return Certificate(subject, Quorum.of({i: self.signers[i].sign(message) for i in signers}))

    def finality(self, height: int, signers: Sequence[int] | None = None) -> Finality:
        """The same certificate without what the header says."""
        return Finality.of(self.certificate(height, signers))

    def light_block(self, height: int | None = None, signers: Sequence[int] | None = None) -> LightBlock:
        """The light block of a height (default: the last)."""
        height = self.height if height is None else height
        state = self.states[height]
        return LightBlock(
            self.headers[height - 1],
            self.finality(height, signers),
            state.app_leaves(),
            state.state_leaves(),
            state.learning,
        )

    def header_run(self, first: int, last: int) -> HeaderRun:
        """Headers of heights `first` to `last` under the certificate of the last."""
        linked = tuple(header.encode_linked() for header in self.headers[first - 1 : last])
        return HeaderRun(first, linked, self.finality(last))

    def inclusion(self, root: bytes) -> Inclusion:
        """Where an update stands; it must stand somewhere."""
        for height, body in enumerate(self.bodies, start=1):
            for index, record in enumerate(body.records):
                if isinstance(record, UpdateHead) and record.update_root == root:
                    return Inclusion(root, height, body.prove(index))
        raise LookupError(root.hex())

    def objects(self) -> Mapping[tuple[ObjectKind, bytes], bytes]:
        """Every object that can be fetched from a validator of this chain, by kind and root."""
        found = {
            (ObjectKind.GENESIS, self.chain_id): self.genesis.encode(),
            (ObjectKind.GRAPH, self.genesis.graph_root): self.graph,
        }
        found |= {(ObjectKind.PARAMS, one.params.hash()): one.params.encode() for one in self.states}
        found |= {(ObjectKind.SEATS, one.seats.root()): one.seats.encode() for one in self.states}
        found |= {(ObjectKind.MODEL, root): data for root, data in self.models.items()}
        blocks = zip(self.headers, self.bodies, strict=True)
        found |= {
            (ObjectKind.BLOCK, one.hash(self.chain_id)): encode_block(one, body) for one, body in blocks
        }
        return found | {(ObjectKind.UPDATE, root): data for root, data in self.update_bodies.items()}


def chain_of(devices: int = 4, admission: Admission = Admission.OPEN, **params: Any) -> ChainMaker:
    """A chain of `make_params(**params)` on which `devices` are registered."""
    return ChainMaker(make_genesis(admission=admission, params=make_params(**params)), devices)


def refused(chain: ChainMaker, *records: Record, time_s: int | None = None) -> Reason:
    """Why a block of these records is refused; fails when it is not. The chain stays as it was."""
    before = chain.state
    try:
        chain.add(records, time_s)
    except ProtocolError as error:
        assert chain.state is before
        return error.reason
    raise AssertionError("the block was not refused")
