"""An owner's wish about a seat, from the file to the proven seats."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_client.adapters.wish_file import WISH_FILE, WishFile, WishWatch
from edge_client.core.events import SettleWish, Wished
from edge_client.protocol.consent import Consent, Wish
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.keys import verify
from edge_client.protocol.records import OptIn, OptOut
from tests.builders import ChainMaker, make_genesis, make_params
from tests.candidacies import ELECTIONS, opt_in, seat_key
from tests.device_world import DeviceWorld


@pytest.fixture
def world() -> DeviceWorld:
    """A device that has earned something."""
    made = DeviceWorld(ChainMaker(make_genesis(params=make_params(**{**ELECTIONS, "k": 1}))))
    made.join()
    made.finish_training()
    made.chain.add([made.offers[0].head], time_s=100)
    follow(made)
    return made


def follow(world: DeviceWorld) -> None:
    world.publish_head()
    world.answer()


def consent(world: DeviceWorld, number: int = 0, account: int = 0) -> Consent:
    return Consent.by(seat_key(number), world.chain.chain_id, account)


def wish(world: DeviceWorld, wanted: Wish | None) -> None:
    world.tell(Wished(wanted))
    world.answer()


def outcomes(world: DeviceWorld) -> list[str]:
    return [one.outcome for one in world.effects if isinstance(one, SettleWish)]


def test_a_wish_becomes_a_record_and_is_done_when_the_seats_show_it(world: DeviceWorld) -> None:
    wish(world, Wish(consent(world)))
    (record,) = world.wished
    assert isinstance(record, OptIn)
    assert (record.bond, record.made_at) == (100, world.chain.height)
    world.chain.add(world.wished)
    assert outcomes(world) == []
    follow(world)
    assert outcomes(world) == ["done"]
    world.pass_ms(300_000)
    assert len(world.wished) == 1, "nothing is asked for any more"
    wish(world, Wish(None))
    assert isinstance(world.wished[-1], OptOut)
    world.chain.add(world.wished[-1:])
    follow(world)
    assert outcomes(world) == ["done", "done"]


def test_a_lost_wish_is_signed_anew_for_a_later_block(world: DeviceWorld) -> None:
    wish(world, Wish(consent(world), 150))
    for _ in range(3):
        world.chain.add()
    follow(world)
    world.pass_ms(60_000)
    world.answer()
    assert len(world.wished) > 1
    last = world.wished[-1]
    assert last.made_at == world.chain.height
    world.chain.add([last])
    row = world.chain.state.seats.candidate_of(0)
    assert row is not None
    assert row.bond == 150


def test_a_wish_may_come_before_anything_is_known(world: DeviceWorld) -> None:
    early = DeviceWorld(world.chain)
    early.tell(Wished(Wish(consent(world))))
    early.link_up()
    early.answer()
    early.publish_head()
    early.answer()
    assert len(early.wished) == 1


def test_a_wish_that_came_true_long_ago_asks_for_nothing(world: DeviceWorld) -> None:
    world.chain.add([opt_in(world.chain, 0)])
    follow(world)
    wish(world, Wish(consent(world)))
    assert world.wished == []
    assert outcomes(world) == ["done"]


@pytest.mark.parametrize(("number", "account", "why"), [(1, 0, "another key"), (0, 3, "account 3")])
def test_a_wish_that_cannot_come_true_says_why(
    world: DeviceWorld, number: int, account: int, why: str
) -> None:
    if not account:
        world.chain.add([opt_in(world.chain, 0)])
        follow(world)
    wish(world, Wish(consent(world, number, account)))
    assert world.wished == []
    (outcome,) = outcomes(world)
    assert why in outcome


def test_leaving_without_being_a_candidate_is_done_at_once(world: DeviceWorld) -> None:
    wish(world, Wish(None))
    assert outcomes(world) == ["done"]
    assert world.wished == []


def test_a_wish_can_be_taken_back(world: DeviceWorld) -> None:
    wish(world, Wish(consent(world)))
    wish(world, None)
    world.pass_ms(300_000)
    assert len(world.wished) == 1
    assert outcomes(world) == []


# --- consent and file --------------------------------------------------------------------------------------


def test_a_consent_is_for_one_account_of_one_chain(world: DeviceWorld) -> None:
    made = consent(world)
    assert Consent.parse(made.text()) == made
    assert made.is_genuine(world.chain.chain_id, verify)
    assert not made.is_genuine(bytes(32), verify)
    assert not Consent(1, made.key, made.signature).is_genuine(world.chain.chain_id, verify)


@pytest.mark.parametrize(
    "text", ["", "flconsent:", "flconsent:zz", "flconsent:00", "fljoin:00", "flconsent:" + "0" * 198]
)
def test_what_is_no_consent_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        Consent.parse(text)


def test_the_file_keeps_the_wish_and_then_its_outcome(tmp_path: Path, world: DeviceWorld) -> None:
    file, seen = WishFile(tmp_path), list[Wished]()
    watch = WishWatch(file, seen.append)
    watch.look()
    assert seen == []
    wanted = Wish(consent(world), 250)
    file.write(wanted)
    watch.look()
    watch.look()
    assert seen == [Wished(wanted)]
    file.settle(SettleWish("done"))
    watch.look()
    assert seen[-1] == Wished(None)
    assert (file.read(), file.outcome(), file.settled()) == (None, "done", wanted)
    file.write(Wish(None))
    assert (file.read(), file.outcome(), file.settled()) == (Wish(None), None, None)


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"opt-in", b"opt-in x y", b"opt-out now", b"opt-in 5 flconsent:00"]
)
def test_a_broken_file_is_no_wish(tmp_path: Path, text: bytes) -> None:
    (tmp_path / WISH_FILE).write_bytes(text)
    assert WishFile(tmp_path).read() is None
