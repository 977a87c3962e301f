from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from edge_client.runtime.keystore import ACL_ATTRIBUTE, KeyFileError, create_seed, load_seed


def test_what_was_created_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    seed = create_seed(path)
    assert load_seed(path) == seed
    assert len(seed) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["node.key"]


def test_two_keys_differ(tmp_path: Path) -> None:
    assert create_seed(tmp_path / "a") != create_seed(tmp_path / "b")


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    seed = create_seed(path)
    with pytest.raises(KeyFileError, match="exists already"):
        create_seed(path)
    assert load_seed(path) == seed
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_can_use_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "node.key"
    create_seed(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        load_seed(path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"00" * 31, b"00" * 33, b"zz" * 32, b"\xff" * 64, bytes(32), b"0" * 10_000]
)
def test_a_file_that_is_no_seed_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="not a key file"):
        load_seed(path)


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="no key file"):
        load_seed(tmp_path / "absent")
    with pytest.raises(KeyFileError, match=r"cannot read .*Is a directory"):
        load_seed(tmp_path)
    with pytest.raises(KeyFileError, match="cannot create"):
        create_seed(tmp_path / "no" / "such" / "folder")


def test_a_leftover_of_a_crash_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    (tmp_path / f"node.key.{os.getpid() + 1}.new").write_text("half")
    assert create_seed(path) == load_seed(path)


@pytest.mark.parametrize(("other", "readable"), [(0, True), (4, False)])
def test_a_credential_of_systemd_names_its_reader_in_an_access_list(
    tmp_path: Path, other: int, readable: bool
) -> None:
    path = tmp_path / "device.key"
    seed = create_seed(path)
    undefined = 0xFFFFFFFF
    entries = [
        (1, 4, undefined),
        (2, 4, 12345),
        (4, 0, undefined),
        (16, 4, undefined),
        (32, other, undefined),
    ]
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, ACL_ATTRIBUTE, packed)
    except OSError:
        pytest.skip("this file system has no access lists")
    assert path.stat().st_mode & 0o777 == 0o440 | other
    if readable:
        assert load_seed(path) == seed
    else:
        with pytest.raises(KeyFileError, match="others can read"):
            load_seed(path)
