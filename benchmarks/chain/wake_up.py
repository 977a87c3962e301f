"""What one wake-up costs a device, and what it weighs: head, certificate, its own update, its account."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from edge_client.adapters.chain_store import ChainStore
from edge_client.adapters.device_database import open_device_database
from edge_client.core.anchors import Anchors
from edge_client.core.events import SaveAccount, SaveChain
from edge_client.core.light_client import Advanced, LightClient
from edge_client.core.trusted import TrustedHead, genesis_trust
from edge_client.core.verify import LightRules
from edge_client.core.waking import Awoken, Known, awoken
from edge_client.protocol import keys
from edge_client.protocol.handoff import Handoff, SeatChange, SetProof
from edge_client.protocol.keys import SIGNATURE_BYTES
from edge_client.protocol.light import LightBlock
from edge_client.protocol.messages import decode_say, encode_say
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.wake import Awake, Wake
from tests.builders import ChainMaker, make_genesis, make_params, make_signers, make_update
from tests.wake_builders import ANY_BLOCK, NEXT_BLOCK, awake_of, made_up

ACCOUNTS = 1000
UPDATES_A_BLOCK = 128
REGISTRATIONS_A_BLOCK = 50
OWN_ACCOUNT = 7
SEATS_CHANGED = 2
"""At most so many of 16 validators change in one election (ADR 0007)."""
KILOBYTE = 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """What reaches the device when it wakes up after a round, and the update it waits for news of."""

    awake: bytes
    own: UpdateHead
    now_ms: int


def bundle_kb(validators: int) -> float:
    """The largest answer for a device whose update stands in the block after its tip."""
    return len(encode_say(made_up(validators, *NEXT_BLOCK).awake)) / KILOBYTE


def fresh_bundle_kb(validators: int) -> float:
    """The largest answer for an update in any block, and f + 1 freshness signatures."""
    made = made_up(validators, *ANY_BLOCK)
    signatures = (made.chain.validators.faulty_max + 1) * SIGNATURE_BYTES
    return (len(encode_say(made.awake)) + signatures) / KILOBYTE


def hop_kb(validators: int) -> float:
    """A handoff between two sets that differ as much as they may."""
    chain = ChainMaker(make_genesis(validators), devices=1)
    block = chain.light_block(1)
    new = make_signers(SEATS_CHANGED, "candidate")
    changes = tuple(SeatChange(index, one.public_key) for index, one in enumerate(new))
    sets = SetProof(block.app.left(), chain.validators, changes)
    return len(Handoff(block.header, block.finality, sets).encode()) / KILOBYTE


def wake_up_cpu_ms(folder: Path, validators: int, wake_ups: int) -> float:
    """Median CPU time (user and system) of a wake-up one block after the last."""
    params = make_params(k=UPDATES_A_BLOCK, k_max=UPDATES_A_BLOCK, min_updates=1, selection=0)
    chain = ChainMaker(make_genesis(validators, params=params))
    rules = LightRules(chain.chain_id, chain.genesis.t0_s, keys.verify)
    light = LightClient(rules, genesis_trust(chain.genesis))
    times_ms = []
    with closing(open_device_database(folder)) as database:
        device = Sleeper(light, Anchors(light.head, {}), ChainStore(database, chain.chain_id))
        for _ in range(ACCOUNTS // REGISTRATIONS_A_BLOCK):
            device.follow(chain.join(REGISTRATIONS_A_BLOCK), _now_ms(chain))
        key = chain.signer_of(OWN_ACCOUNT).public_key
        for delivery in _rounds(chain, wake_ups):
            began_ns = time.process_time_ns()
            device.wake_up(delivery, chain.chain_id, key)
            times_ms.append((time.process_time_ns() - began_ns) / 1e6)
    return median(times_ms)


def _rounds(chain: ChainMaker, count: int) -> Iterator[Delivery]:
    """Every round with an update of the device and of enough others."""
    for _ in range(count):
        heads = [make_update(chain, account).head for account in range(UPDATES_A_BLOCK)]
        own, tip = heads[OWN_ACCOUNT], chain.height
        chain.add(heads)
        question = Wake(0, tip, tip, fresh=True, update_roots=(own.update_root,))
        yield Delivery(encode_say(awake_of(chain, OWN_ACCOUNT, question)), own, _now_ms(chain))


def _now_ms(chain: ChainMaker) -> int:
    return (chain.genesis.t0_s + chain.time_s) * 1000


@dataclass(frozen=True, slots=True)
class Sleeper:
    """The parts of a device that a wake-up is the business of."""

    light: LightClient
    anchors: Anchors
    store: ChainStore

    def wake_up(self, delivery: Delivery, chain_id: bytes, key: bytes) -> None:
        """As the agent does it; raises when something does not prove what it should."""
        said = decode_say(delivery.awake)
        if not isinstance(said, Awake):
            raise TypeError(f"not an answer to a device that woke up: {said}")
        updates = {delivery.own.update_root: delivery.own}
        root = self.light.latest.validators.root()
        found = awoken(said, Known(chain_id, self.light.tip, root, key, updates))
        if found is None or found.jump is None:
            raise RuntimeError("no head was shown")
        head = self.follow(found.jump.block, delivery.now_ms)
        self._check(found, delivery.own, head)
        if found.account is not None:
            self.store.save_account(SaveAccount(found.height, found.account, head.app, head.state))

    def follow(self, block: LightBlock, now_ms: int) -> TrustedHead:
        """Verify and store a head; what it proves of the device is checked after it."""
        progress = self.light.offer(block, now_ms)
        if not isinstance(progress, Advanced) or progress.head is None:
            raise TypeError(f"a valid head was not followed: {progress}")
        self.anchors.add_headers(progress.headers)
        self.anchors.add_head(progress.head)
        linked = tuple(header.encode_linked() for header in progress.headers)
        self.store.save_chain(SaveChain(linked, progress.tip, progress.head, progress.signing))
        return progress.head

    def _check(self, found: Awoken, own: UpdateHead, head: TrustedHead) -> None:
        if found.account is None or found.account.root() != head.state.accounts_root:
            raise RuntimeError("the account is not proven")
        if not all(self.anchors.includes(one.height, one.proof, own) for one in found.placed):
            raise RuntimeError("the update is not proven")
        if not found.placed:
            raise RuntimeError("the update is not shown")
