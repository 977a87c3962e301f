"""[KEY-1] to [KEY-3], [SIG-1]: what is signed, and exactly which signatures and keys count.

Ed25519 libraries disagree on malformed points and scalars, and a disagreement would split the chain. Twelve
such signatures, after the cases of Chalkias, Garillot and Nikolaenko ("Taming the many EdDSAs", 2020), are
built here from the definition; PyNaCl's verdict on each is pinned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from edge_client.protocol.keys import (
    SMALL_ORDER_KEYS,
    Purpose,
    Signer,
    is_small_order,
    node_id,
    signing_bytes,
    verify,
)
from tests import ed25519_points as ed
from tests.builders import make_signers

A_SCALAR = 0x1234567890ABCDEF
R_SCALAR = 0xFEDCBA0987654321
PLAIN_KEY = ed.times(A_SCALAR, ed.BASE)
MIXED_KEY = ed.add(PLAIN_KEY, ed.TORSION[1])
MIXED_R = ed.add(ed.times(R_SCALAR, ed.BASE), ed.TORSION[1])
SMALL = ed.TORSION[1]
NON_CANONICAL = bytes([0xEE, *[0xFF] * 30, 0x7F])
"""y = p + 1: another spelling of the point zero (y = 1)."""


@dataclass(frozen=True)
class Forged:
    """A triple to verify, and whether it satisfies the two textbook equations."""

    key: bytes
    message: bytes
    signature: bytes
    plain: bool
    cofactored: bool


def messages() -> Iterator[bytes]:
    return (b"edge case %d" % i for i in count())


def search(key: ed.Point, r: ed.Point, scalar: Callable[[int], int], wanted: tuple[bool, bool]) -> Forged:
    """The first message for which the equations hold as `wanted` (without, with cofactor)."""
    key_bytes, r_bytes = ed.encode(key), ed.encode(r)
    for message in messages():
        h = ed.challenge(r_bytes, key_bytes, message)
        s = scalar(h) % ed.L
        outcome = ed.equation_holds(key, r, s, h), ed.cofactor_equation_holds(key, r, s, h)
        if outcome == wanted:
            return Forged(key_bytes, message, r_bytes + s.to_bytes(32, "little"), *outcome)
    raise AssertionError


def honest(h: int) -> int:
    return R_SCALAR + h * A_SCALAR


def respelled(key: bytes, r: bytes, s: int, wanted: bool) -> Forged:
    """A point that is not spelled canonically: it stands for zero when the equation is evaluated."""
    key_point = ed.ZERO if key == NON_CANONICAL else MIXED_KEY
    r_point = ed.ZERO if r == NON_CANONICAL else ed.times(R_SCALAR, ed.BASE)
    for message in messages():
        h = ed.challenge(r, key, message)
        scalar = (s + h * (A_SCALAR if key_point == MIXED_KEY else 0)) % ed.L
        holds = ed.equation_holds(key_point, r_point, scalar, h)
        if holds == wanted:
            cofactored = ed.cofactor_equation_holds(key_point, r_point, scalar, h)
            return Forged(key, message, r + scalar.to_bytes(32, "little"), holds, cofactored)
    raise AssertionError


def shifted(multiple: int) -> Forged:
    """An honest signature with L added to its scalar: the same equation, another spelling."""
    case = search(PLAIN_KEY, ed.times(R_SCALAR, ed.BASE), honest, (True, True))
    s = int.from_bytes(case.signature[32:], "little") + multiple * ed.L
    return Forged(case.key, case.message, case.signature[:32] + s.to_bytes(32, "little"), True, True)


CASES: dict[str, tuple[Callable[[], Forged], bool]] = {
    "0 S = 0, small A, small R": (lambda: search(SMALL, SMALL, lambda _: 0, (True, True)), False),
    "1 S < L, small A, mixed R": (lambda: search(SMALL, MIXED_R, lambda _: R_SCALAR, (True, True)), False),
    "2 mixed A, small R": (lambda: search(MIXED_KEY, SMALL, lambda h: h * A_SCALAR, (True, True)), False),
    "3 mixed A, mixed R, both equations": (lambda: search(MIXED_KEY, MIXED_R, honest, (True, True)), True),
    "4 mixed A, mixed R, cofactored only": (lambda: search(MIXED_KEY, MIXED_R, honest, (False, True)), False),
    "5 mixed A, R of order L, cofactored only": (
        lambda: search(MIXED_KEY, ed.times(R_SCALAR, ed.BASE), honest, (False, True)),
        False,
    ),
    "6 S just above L": (lambda: shifted(1), False),
    "7 S far above L": (lambda: shifted(14), False),
    "8 R spelled non-canonically, equation holds": (
        lambda: respelled(ed.encode(MIXED_KEY), NON_CANONICAL, 0, wanted=True),
        False,
    ),
    "9 R spelled non-canonically, cofactored only": (
        lambda: respelled(ed.encode(MIXED_KEY), NON_CANONICAL, 0, wanted=False),
        False,
    ),
    "10 A spelled non-canonically": (
        lambda: respelled(NON_CANONICAL, ed.encode(ed.times(R_SCALAR, ed.BASE)), R_SCALAR, wanted=True),
        False,
    ),
    "11 A and R spelled non-canonically": (
        lambda: respelled(NON_CANONICAL, NON_CANONICAL, 0, wanted=True),
        False,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_verdicts_on_edge_cases_are_pinned(name: str) -> None:
    build, verdict = CASES[name]
    case = build()
    assert case.plain or case.cofactored, "the case is not one that a library might accept"
    assert verify(case.key, case.message, case.signature) is verdict


def test_the_slow_arithmetic_agrees_with_libsodium() -> None:
    case = search(PLAIN_KEY, ed.times(R_SCALAR, ed.BASE), honest, (True, True))
    assert verify(case.key, case.message, case.signature)


def test_small_order_list_is_complete() -> None:
    """Every encoding of y for every torsion point: canonical, and y + p where that still fits 255 bits."""
    spellings = {y.to_bytes(32, "little") for _, y0 in ed.TORSION for y in (y0, y0 + ed.P) if y < 2**255}
    assert spellings == SMALL_ORDER_KEYS
    for y in spellings:
        for sign in (0, 0x80):
            assert is_small_order(y[:31] + bytes([y[31] | sign]))


@pytest.mark.parametrize("sign", [0, 0x80])
@pytest.mark.parametrize("y", sorted(SMALL_ORDER_KEYS), ids=lambda y: y.hex()[:8])
def test_libsodium_refuses_every_small_order_key(y: bytes, sign: int) -> None:
    """R is an ordinary point and S its scalar: the equation holds whenever h times the key is zero."""
    key = y[:31] + bytes([y[31] | sign])
    point = ed.from_y(int.from_bytes(y, "little") % ed.P, sign >> 7) or ed.from_y(
        int.from_bytes(y, "little") % ed.P, 0
    )
    assert point in ed.TORSION
    r = ed.times(R_SCALAR, ed.BASE)
    message = next(
        one
        for one in messages()
        if ed.equation_holds(point, r, R_SCALAR, ed.challenge(ed.encode(r), key, one))
    )
    assert not verify(key, message, ed.encode(r) + R_SCALAR.to_bytes(32, "little"))


def test_ordinary_keys_are_not_of_small_order() -> None:
    assert not any(is_small_order(signer.public_key) for signer in make_signers(16))


@pytest.mark.parametrize("at", [0, 31, 32, 63], ids=["R start", "R end", "S start", "S end"])
def test_a_changed_signature_fails(at: int) -> None:
    signer = make_signers(1)[0]
    signature = bytearray(signer.sign(b"message"))
    assert verify(signer.public_key, b"message", bytes(signature))
    signature[at] ^= 1
    assert not verify(signer.public_key, b"message", bytes(signature))


@pytest.mark.parametrize(("key_bytes", "signature_bytes"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_wrong_lengths_are_refused_not_raised(key_bytes: int, signature_bytes: int) -> None:
    assert verify(bytes(key_bytes), b"", bytes(signature_bytes)) is False


def test_a_signature_is_for_one_purpose_and_one_chain() -> None:
    signer, chain, other = make_signers(1)[0], bytes(32), b"o" * 32
    signature = signer.sign(signing_bytes(Purpose.NOTARIZE, chain, b"payload"))
    assert verify(signer.public_key, signing_bytes(Purpose.NOTARIZE, chain, b"payload"), signature)
    for message in (
        signing_bytes(Purpose.FINALIZE, chain, b"payload"),
        signing_bytes(Purpose.NOTARIZE, other, b"payload"),
        signing_bytes(Purpose.NOTARIZE, chain, b"payloae"),
    ):
        assert not verify(signer.public_key, message, signature)


def test_signing_bytes_start_with_eight_bytes_of_purpose_and_the_version() -> None:
    assert {len(purpose.value) for purpose in Purpose} == {8}
    assert len({purpose.value for purpose in Purpose}) == len(Purpose)
    assert signing_bytes(Purpose.UPDATE, b"c" * 32, b"x") == b"update--\x01" + b"c" * 32 + b"x"


def test_a_signer_is_deterministic_and_keeps_its_seed_to_itself() -> None:
    seed = bytes(range(32))
    signer = Signer(seed)
    assert signer.sign(b"m") == Signer(seed).sign(b"m")
    assert seed.hex() not in repr(signer)
    assert node_id(signer.public_key) in repr(signer)
    assert len(node_id(signer.public_key)) == 32
