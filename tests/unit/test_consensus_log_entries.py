"""The log of a validator: what is written comes back, a torn tail is cut, damage in the middle is refused."""

from __future__ import annotations

import pytest

from broker.core.consensus.log_entries import Entry, LogDamagedError, decode_log, encode_entry
from tests.simulation.consensus_parts import Committee

FOUR = Committee(4)
BIG = Committee(16)
ENTRIES: list[Entry] = [
    FOUR.proposal(FOUR.header(1)),
    FOUR.n(FOUR.header(1), 2),
    FOUR.nc(FOUR.header(1)),
    BIG.zc(9, range(16)),
    FOUR.z(2, 0),
]
LOG = b"".join(encode_entry(one) for one in ENTRIES)
LAST = len(LOG) - len(encode_entry(ENTRIES[-1]))


def test_entries_come_back():
    assert decode_log(LOG) == (ENTRIES, len(LOG))
    assert decode_log(b"") == ([], 0)


@pytest.mark.parametrize("torn", range(LAST + 1, len(LOG)))
def test_a_torn_tail_is_cut_at_every_byte(torn):
    assert decode_log(LOG[:torn]) == (ENTRIES[:-1], LAST)


@pytest.mark.parametrize("at", range(LAST, len(LOG), 7))
def test_a_damaged_tail_is_cut(at):
    damaged = LOG[:at] + bytes([LOG[at] ^ 1]) + LOG[at + 1 :]
    assert decode_log(damaged) == (ENTRIES[:-1], LAST)


@pytest.mark.parametrize("at", range(0, LAST, 13))
def test_damage_before_a_good_entry_is_refused(at):
    damaged = LOG[:at] + bytes([LOG[at] ^ 1]) + LOG[at + 1 :]
    with pytest.raises(LogDamagedError):
        decode_log(damaged)


def test_a_whole_entry_without_meaning_is_refused():
    from zlib import crc32

    body = b"\x01" + (3).to_bytes(4, "big") + b"abc"
    with pytest.raises(LogDamagedError, match="at byte 0"):
        decode_log(body + crc32(body).to_bytes(4, "big"))
