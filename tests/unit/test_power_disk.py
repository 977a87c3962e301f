"""The model of a disk that loses power: what is synced stays, everything else is there, gone or torn."""

from __future__ import annotations

from random import Random

import pytest

from tests.power.disk_model import SECTOR_BYTES, Disk, every_fate, some_fates
from tests.power.operations import (
    ROOT,
    Change,
    Image,
    Operation,
    Recording,
    Rename,
    Sync,
    Truncate,
    Write,
    recording_of,
)

OLD = b"o" * (2 * SECTOR_BYTES)
NEW = b"n" * (2 * SECTOR_BYTES)


def after(image: Image, *operations: Operation) -> Disk:
    recording, _ = recording_of(image)
    recording.add(b"")
    disk = Disk(recording)
    for one in operations:
        disk.do(one)
    return disk


def images(disk: Disk) -> list[Image]:
    return [disk.image(happened) for happened in every_fate(disk.open, Random(1), 20)]


def test_a_write_is_there_gone_torn_or_zeros() -> None:
    disk = after({"a": OLD}, Write(1, 0, NEW))
    found = {one["a"] for one in images(disk)}
    half = SECTOR_BYTES
    assert found == {OLD, NEW, NEW[:half] + OLD[half:], OLD[:half] + NEW[half:], bytes(2 * half)}


def test_a_write_is_torn_at_the_sectors_of_the_disk() -> None:
    disk = after({"a": OLD}, Write(1, 100, NEW[:SECTOR_BYTES]))
    torn = OLD[:100] + NEW[100:SECTOR_BYTES] + OLD[SECTOR_BYTES:]
    assert {"a": torn} in images(disk)


def test_what_is_synced_stays() -> None:
    disk = after({"a": OLD}, Write(1, 0, NEW), Truncate(1, 700), Sync(1))
    assert images(disk) == [{"a": NEW[:700]}] * 2


def test_a_sync_of_another_file_does_not_help() -> None:
    disk = after({"a": OLD, "b": b""}, Write(1, 0, NEW), Write(2, 0, b"x"), Sync(2))
    assert {"a": OLD, "b": b"x"} in images(disk)


def test_a_later_write_may_be_there_without_an_earlier_one() -> None:
    disk = after({"a": b""}, Write(1, 0, b"1"), Write(1, 1, b"2"))
    assert {"a": b"\0" + b"2"} in images(disk)


@pytest.mark.parametrize("synced", [False, True])
def test_a_new_name_is_durable_with_its_folder_only(synced: bool) -> None:
    create = Rename(ROOT, (("b", 2),))
    sync = [Sync(ROOT)] if synced else []
    found = images(after({"a": OLD}, create, Write(2, 0, b"x"), Sync(2), *sync))
    assert ({"a": OLD} in found) is not synced
    assert {"a": OLD, "b": b"x"} in found


def test_a_renaming_happens_wholly_or_not() -> None:
    swap = Rename(ROOT, (("a.new", None), ("a", 2)))
    found = images(after({"a": OLD, "a.new": NEW}, swap))
    assert {tuple(sorted(one)) for one in found} == {("a",), ("a", "a.new")}
    assert {one["a"] for one in found} == {OLD, NEW}


def test_a_renamed_file_that_was_not_synced_may_be_empty() -> None:
    swap = Rename(ROOT, (("a", 2),))
    assert {"a": b""} in images(after({"a": OLD}, Write(2, 0, NEW), swap))


def test_a_folder_that_is_gone_takes_what_is_in_it() -> None:
    recording = Recording()
    folder, file = recording.add(None), recording.add(b"")
    disk = Disk(recording)
    for one in (
        Rename(ROOT, (("d", folder),)),
        Rename(folder, (("f", file),)),
        Write(file, 0, b"x"),
        Sync(file),
        Sync(folder),
    ):
        disk.do(one)
    assert disk.image([]) == {}
    assert disk.image(disk.open) == {"d": None, "d/f": b"x"}


def test_the_short_way_has_both_ends() -> None:
    changes: list[Change] = [Write(1, 0, b"1"), Write(1, 1, b"2")]
    assert list(some_fates(changes, Random(1), 0)) == [changes, []]
