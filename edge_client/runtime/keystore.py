"""The one secret of a node: the seed of its Ed25519 key, in a file of its own.

Format: 64 hexadecimal characters and a newline. The file is created once, complete or not at all, and is
never overwritten: losing it is losing the device's account.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edge_client.protocol.keys import SEED_BYTES
from edge_client.runtime.files import TEMPORARY_SUFFIX, sync_folder, write_new

FILE_BYTES_MAX = 4096
"""More than this is certainly not a key file, so no more is read."""
ACL_ATTRIBUTE = "system.posix_acl_access"


class KeyFileError(Exception):
    """A key file that cannot be used; the text is one sentence for the user (exit code: see the command)."""


def create_seed(path: Path) -> bytes:
    """Make a random seed, write it to `path` (mode 0600, synced), return it; KeyFileError if `path` exists.

    It is written beside its place and then linked there: a crash leaves no half key, and two processes that
    both create it cannot end with different keys.
    """
    seed = os.urandom(SEED_BYTES)
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        try:
            write_new(temporary, seed.hex().encode() + b"\n", 0o600)
            os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError:
        raise KeyFileError(f"{path} exists already and is never overwritten; move it away first") from None
    except OSError as error:
        raise KeyFileError(f"cannot create the key file {path}: {error.strerror}") from error
    return seed


def load_seed(path: Path) -> bytes:
    """The seed in `path`; KeyFileError when it is missing, unreadable, readable by others, or not a seed."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            has_acl = _has_acl(file.fileno())
            text = file.read(FILE_BYTES_MAX)
    except FileNotFoundError:
        raise KeyFileError(f"there is no key file {path}; put back the copy you made of it") from None
    except OSError as error:
        raise KeyFileError(f"cannot read the key file {path}: {error.strerror}") from error
    if mode & (0o037 if has_acl else 0o077):
        raise KeyFileError(f"others can read the key file {path} (mode {mode:04o}); run: chmod 600 {path}")
    try:
        seed = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise KeyFileError(f"{path} is not a key file: expected {2 * SEED_BYTES} hexadecimal characters")
    return seed


def _has_acl(descriptor: int) -> bool:
    """Whether a POSIX access list says who may read: then the group's bits are the list's mask, no group.
    systemd hands a credential to a service in this way: a file of root's, and a list that names the user."""
    try:
        os.getxattr(descriptor, ACL_ATTRIBUTE)
    except OSError:
        return False
    return True
