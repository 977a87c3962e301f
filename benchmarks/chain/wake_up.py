"""What one wake-up costs a device: head and certificate, its own update, its account, and storing them."""

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
from edge_client.core.trusted import genesis_head, genesis_tip
from edge_client.core.verify import LightRules
from edge_client.protocol import keys
from edge_client.protocol.light import LightBlock
from edge_client.protocol.messages import Claimed, decode_say, encode_say
from edge_client.protocol.update import UpdateHead
from tests.builders import ChainMaker, make_genesis, make_params, make_update

ACCOUNTS = 1000
UPDATES_A_BLOCK = 128
REGISTRATIONS_A_BLOCK = 50
OWN_ACCOUNT = 7


@dataclass(frozen=True, slots=True)
class Delivery:
    """What reaches the device when it wakes up after a round, and the update it waits for news of."""

    head: bytes
    claimed: bytes
    own: UpdateHead
    now_ms: int


def wake_up_cpu_ms(folder: Path, validators: int, wake_ups: int) -> float:
    """Median CPU time (user and system) of a wake-up one block after the last."""
    params = make_params(k=UPDATES_A_BLOCK, k_max=UPDATES_A_BLOCK, min_updates=1, selection=0)
    chain = ChainMaker(make_genesis(validators, params=params))
    light = LightClient(
        LightRules(chain.chain_id, chain.validators, chain.genesis.t0_s, keys.verify),
        genesis_tip(chain.chain_id),
        genesis_head(chain.genesis),
    )
    times_ms = []
    with closing(open_device_database(folder)) as database:
        store = ChainStore(database, chain.chain_id)
        anchors = Anchors(light.head, {})
        for _ in range(ACCOUNTS // REGISTRATIONS_A_BLOCK):
            joined = chain.join(REGISTRATIONS_A_BLOCK).encode()
            _follow(light, anchors, store, (joined, _now_ms(chain)))
        for delivery in _rounds(chain, wake_ups):
            began_ns = time.process_time_ns()
            _wake_up(light, anchors, store, delivery)
            times_ms.append((time.process_time_ns() - began_ns) / 1e6)
    return median(times_ms)


def _rounds(chain: ChainMaker, count: int) -> Iterator[Delivery]:
    """Every round with an update of the device and of enough others."""
    for _ in range(count):
        heads = [make_update(chain, account).head for account in range(UPDATES_A_BLOCK)]
        own = heads[OWN_ACCOUNT]
        light = chain.add(heads)
        said = encode_say(chain.claimed(OWN_ACCOUNT, [own.update_root]))
        yield Delivery(light.encode(), said, own, _now_ms(chain))


def _now_ms(chain: ChainMaker) -> int:
    return (chain.genesis.t0_s + chain.time_s) * 1000


def _wake_up(light: LightClient, anchors: Anchors, store: ChainStore, delivery: Delivery) -> None:
    """As the agent does it; raises when something does not prove what it should."""
    _follow(light, anchors, store, (delivery.head, delivery.now_ms))
    said = decode_say(delivery.claimed)
    if not isinstance(said, Claimed) or said.account is None:
        raise TypeError(f"not an answer to a claim: {said}")
    head = anchors.head(said.height)
    if head is None or said.account.root() != head.state.accounts_root:
        raise RuntimeError("the account is not proven")
    if not all(anchors.includes(one, delivery.own) for one in said.inclusions) or not said.inclusions:
        raise RuntimeError("the update is not proven")
    store.save_account(SaveAccount(said.height, said.account, head.app, head.state))


def _follow(light: LightClient, anchors: Anchors, store: ChainStore, heard: tuple[bytes, int]) -> None:
    payload, now_ms = heard
    progress = light.offer(LightBlock.decode(payload), now_ms)
    if not isinstance(progress, Advanced) or progress.head is None:
        raise TypeError(f"a valid head was not followed: {progress}")
    anchors.add_headers(progress.headers)
    anchors.add_head(progress.head)
    linked = tuple(header.encode_linked() for header in progress.headers)
    store.save_chain(SaveChain(linked, progress.tip, progress.head))
