"""[JOIN-1], [JOIN-2]: one line, and one sentence for what is wrong with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.protocol.join import Checkpoint, Join, JoinError, parse_join
from tests.builders import make_voucher

CHAIN = bytes(range(32))
PLAIN = Join(("mqtt://broker.local",), CHAIN)
FULL = Join(
    ("mqtts://a.example:8883", "mqtt://10.0.0.7:1883", "mqtts://[2001:db8::1]:8883"),
    CHAIN,
    Checkpoint(2**32 - 1, b"h" * 32),
    b"c" * 32,
    make_voucher(CHAIN, 7, 1),
)


@pytest.mark.parametrize(
    "join",
    [
        PLAIN,
        FULL,
        replace(PLAIN, checkpoint=FULL.checkpoint),
        replace(PLAIN, ca_sha256=FULL.ca_sha256),
        replace(PLAIN, voucher=FULL.voucher),
    ],
    ids=["plain", "full", "checkpoint", "ca", "voucher"],
)
def test_parsing_is_the_inverse_of_text(join: Join) -> None:
    assert parse_join(join.text()) == join
    assert parse_join(f"  {join.text()}\n") == join


def test_the_check_may_be_missing_but_not_wrong() -> None:
    bare = f"flchain:mqtt://broker.local?g={CHAIN.hex()}"
    assert parse_join(bare) == PLAIN
    assert PLAIN.text().startswith(f"{bare}&k=")
    with pytest.raises(JoinError, match="typo"):
        parse_join(f"{bare}&k=")


def test_every_typo_in_a_checked_string_is_noticed() -> None:
    text = FULL.text()
    for at in range(len(text)):
        with pytest.raises(JoinError):
            parse_join(text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :])
    for size in range(len(text) - len("&k=12345678") + 1, len(text)):
        with pytest.raises(JoinError):
            parse_join(text[:size])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://broker", "starts with 'flchain:'"),
        ("", "starts with"),
        (f"flchain:mqtt://b\u00e9?g={CHAIN.hex()}", "characters that no join string has"),
        (f"flchain:mqtt://b\udcff?g={CHAIN.hex()}&k=00000000", "characters that no join string has"),
        ("flchain:mqtt://b", "unknown or repeated part ''"),
        ("flchain:mqtt://b?c=1:00", "lacks the chain id"),
        (f"flchain:mqtt://b?g={CHAIN.hex()}&g={CHAIN.hex()}", "repeated part"),
        (f"flchain:mqtt://b?g={CHAIN.hex()}&z=1", "unknown or repeated part 'z=1'"),
        (f"flchain:mqtt://b?g={CHAIN.hex()[:-1]}", "64 hex digits, not 63"),
        (f"flchain:mqtt://b?g={CHAIN.hex()[:-2]} 1", "64 hex digits"),
        (f"flchain:mqtt://b?g={'zz' * 32}", "64 hex digits"),
        (f"flchain:http://b?g={CHAIN.hex()}", "not an MQTT address"),
        (f"flchain:mqtt://?g={CHAIN.hex()}", "not an MQTT address"),
        (f"flchain:mqtt://user@b?g={CHAIN.hex()}", "not an MQTT address"),
        (f"flchain:mqtt://b/path?g={CHAIN.hex()}", "not an MQTT address"),
        (f"flchain:?g={CHAIN.hex()}", "not an MQTT address"),
        (f"flchain:mqtt://{'b' * 300}?g={CHAIN.hex()}", "not an MQTT address"),
        (f"flchain:mqtt://b:0?g={CHAIN.hex()}", "port"),
        (f"flchain:mqtt://b:65536?g={CHAIN.hex()}", "port"),
        (f"flchain:{','.join(['mqtt://b'] * 9)}?g={CHAIN.hex()}", "9 servers, at most 8"),
        (f"flchain:mqtt://b?g={CHAIN.hex()}&c=12", "64 hex digits, not 0"),
        (f"flchain:mqtt://b?g={CHAIN.hex()}&c=-1:{CHAIN.hex()}", "HEIGHT:HASH"),
        (f"flchain:mqtt://b?g={CHAIN.hex()}&c=4294967296:{CHAIN.hex()}", "HEIGHT:HASH"),
        (f"flchain:mqtt://b?g={CHAIN.hex()}&ca=00", "'ca=' in the join string must be 64"),
        (f"flchain:mqtt://b?g={CHAIN.hex()}&v=00", "'v=' in the join string must be 202"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(text: str, why: str) -> None:
    with pytest.raises(JoinError, match=why) as caught:
        parse_join(text)
    assert "\n" not in str(caught.value)
