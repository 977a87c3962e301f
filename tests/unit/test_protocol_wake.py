"""The answer to a wake-up: what it weighs at the worst heights, and that every byte of it counts [WAK]."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.core.light_client import JUMP_HEADERS_MIN, Advanced, HandedOver, LightClient
from edge_client.core.trusted import genesis_trust
from edge_client.core.verify import LightRules, quorum_signed
from edge_client.core.waking import Awoken, Known, awoken
from edge_client.protocol.encoding import Reader
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.handoff import TrustedSet
from edge_client.protocol.hashing import ZERO_HASH
from edge_client.protocol.keys import SIGNATURE_BYTES, verify
from edge_client.protocol.messages import Ask, decode_say, encode_say
from edge_client.protocol.mmr import peaks_of
from edge_client.protocol.mmr_extension import extension_places
from edge_client.protocol.wake import NAME_BYTES, ROOTS_MAX, Awake, BareHead, Fresh, Wake
from tests.builders import T0_S, make_signers
from tests.light_epochs import EpochChain, newcomer
from tests.wake_builders import ANY_BLOCK, NEXT_BLOCK, MadeUp, made_up

ROUNDS = 1_000_000
SIZES = ((4, 2354, 2400), (7, 2482, 2500), (16, 2866, 2900))
SIZES_FRESH = ((4, 3058, 3200), (7, 3250, 3400), (16, 3826, 4000))


def hashes(tip: int, update: int, head: int) -> int:
    """Hashes of an answer that lie in the range of headers."""
    places = list(extension_places(tip + 1, head))
    return len(places) + next(height for height, at in places if update >> height == at)


def judged(made: MadeUp, awake: Awake) -> Awoken | None:
    """What a device makes of an answer whose head a quorum signed; None when nobody did."""
    found = awoken(awake, made.known)
    rules = LightRules(made.chain.chain_id, 0, verify)
    if found is None or found.jump is None:
        return None
    block = found.jump.block
    trusted = TrustedSet(0, made.chain.validators)
    return None if quorum_signed(rules, trusted, block.header, block.finality) else found


@pytest.mark.parametrize(("validators", "size_bytes", "limit_bytes"), SIZES)
def test_head_own_update_and_balance(validators: int, size_bytes: int, limit_bytes: int) -> None:
    made = made_up(validators, *NEXT_BLOCK)
    found = judged(made, made.awake)
    assert found is not None
    assert found.jump is not None
    assert found.jump.block == made.block
    assert [one.height for one in found.placed] == [NEXT_BLOCK[1]]
    print(f"n = {validators}: {len(encode_say(made.awake))} bytes")
    assert len(encode_say(made.awake)) == size_bytes <= limit_bytes


@pytest.mark.parametrize(("validators", "size_bytes", "limit_bytes"), SIZES_FRESH)
def test_an_update_in_any_block_and_freshness(validators: int, size_bytes: int, limit_bytes: int) -> None:
    """The proof that the old head is in the history costs nothing of its own: its peaks are where the
    extension starts."""
    made = made_up(validators, *ANY_BLOCK)
    assert judged(made, made.awake) is not None
    signatures = (made.chain.validators.faulty_max + 1) * SIGNATURE_BYTES
    print(f"n = {validators}: {len(encode_say(made.awake)) + signatures} bytes")
    assert len(encode_say(made.awake)) + signatures == size_bytes <= limit_bytes


def test_no_heights_cost_more() -> None:
    """Over every tip near a power of two or the head, and every head with many mountains."""
    heads = (ROUNDS, 999_423, NEXT_BLOCK[2], 786_431, 524_287)
    edges = {2**power + offset for power in range(20) for offset in (-2, -1, 0, 1)}
    tips = {one for one in edges if one >= 0}
    pairs = [(tip, head) for head in heads for tip in tips | {head - 9} if tip + 1 < head]
    assert max(hashes(tip, tip + 1, head) for tip, head in pairs) == hashes(*NEXT_BLOCK) == 37
    triples = [(tip, at, head) for tip, head in pairs for at in edges if tip < at < head]
    assert max(hashes(*one) for one in triples) == hashes(*ANY_BLOCK) == 55


@pytest.mark.slow
def test_every_byte_counts() -> None:
    """A flipped byte is refused, or gives a head that nobody signed, or hides the update and changes nothing
    else: a device that is shown nothing asks the next validator."""
    made = made_up(4, *NEXT_BLOCK)
    true, hidden = judged(made, made.awake), judged(made, replace(made.awake, shown=()))
    data = made.awake.encode()
    accepted = []
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]
        try:
            reader = Reader(flipped, "Awake")
            awake = Awake.read(reader)
            reader.finish()
            found = judged(made, awake)
        except ProtocolError:
            continue
        assert found != true
        accepted += [at] if found is not None else []
        assert found in (None, hidden)
    name_at = data.index(made.awake.shown[0].name)
    assert accepted == list(range(name_at, name_at + NAME_BYTES))


def test_an_answer_to_a_question_from_before_the_tip_moved_is_nobodys_fault() -> None:
    made = made_up(4, *NEXT_BLOCK)
    tip = replace(made.known.tip, height=made.known.tip.height - 1)
    assert awoken(made.awake, replace(made.known, tip=tip)) is None


def test_a_range_that_does_not_begin_with_ours_gives_a_head_that_nobody_signed() -> None:
    made = made_up(4, *NEXT_BLOCK)
    peaks = replace(made.known.tip.peaks, hashes=(bytes(32),))
    known = replace(made.known, tip=replace(made.known.tip, peaks=peaks))
    assert judged(replace(made, known=known), made.awake) is None


def test_zero_hashes_and_the_same_set_have_one_encoding() -> None:
    made = made_up(4, *NEXT_BLOCK)
    head = made.awake.head
    assert isinstance(head, BareHead)
    same = replace(made.awake, head=replace(head, next_validators_root=made.known.validators_root))
    with pytest.raises(DecodeError, match="same"):
        awoken(same, made.known)
    with pytest.raises(DecodeError, match="left out"):
        decode_say(encode_say(replace(made.awake, account=None)))
    written = head.encode().replace(head.model_root, ZERO_HASH)
    with pytest.raises(DecodeError, match="zero"):
        decode_say(encode_say(made.awake).replace(head.encode(), written))


def test_a_question_reads_back_and_is_bounded() -> None:
    roots = tuple(bytes([i]) * 32 for i in range(ROOTS_MAX + 1))
    question = Wake(1, 9, 5, True, roots[:-1])
    assert Ask.decode(Ask(1, 0, question).encode()).question == question
    with pytest.raises(DecodeError):
        Ask.decode(Ask(1, 0, replace(question, update_roots=roots)).encode())


def test_a_word_is_of_one_validator_for_one_question() -> None:
    signer, other = make_signers(2)
    chain_id, word = bytes(32), Fresh(7, 3, bytes([1]) * 32)
    signed = word.sign(signer, chain_id)
    signed.verify(chain_id, signer.public_key, verify)
    for changed, key in (
        (signed, other.public_key),
        (replace(signed, nonce=8), signer.public_key),
        (replace(signed, height=4), signer.public_key),
        (replace(signed, hash=bytes(32)), signer.public_key),
    ):
        with pytest.raises(ProtocolError) as refused:
            changed.verify(chain_id, key, verify)
        assert refused.value.reason == Reason.BAD_SIGNATURE


def test_an_answer_leads_over_the_end_of_an_epoch() -> None:
    """Handoffs, head and the way there in one message; read with nothing but genesis."""
    chain = EpochChain(4)
    chain.add(5).end_epoch({0: newcomer(0)})
    chain.add(JUMP_HEADERS_MIN)
    leaves, height = chain.leaves(chain.height - 1), chain.height
    extension = tuple(
        peaks_of(leaves[at << k : (at + 1) << k]).hashes[0] for k, at in extension_places(1, height)
    )
    bare = BareHead.of(chain.light_block(), 0, extension, account_shown=False)
    awake = decode_say(encode_say(Awake(replace(bare, hops=(chain.handoff(0),)), None, ())))
    assert isinstance(awake, Awake)
    assert isinstance(awake.head, BareHead)
    rules, now_ms = LightRules(chain.chain_id, chain.genesis.t0_s, verify), (T0_S + 10 * height) * 1000
    light = LightClient(rules, genesis_trust(chain.genesis))
    assert isinstance(light.take_handoffs(awake.head.hops, now_ms), HandedOver)
    validators = light.validators_of(awake.head.epoch)
    assert validators is not None
    found = awoken(awake, Known(chain.chain_id, light.tip, validators.root(), bytes(32), {}))
    assert found is not None
    assert found.jump is not None
    progress = light.jump(found.jump.block, found.jump.extension, now_ms)
    assert isinstance(progress, Advanced)
    assert light.head.block == chain.light_block()
