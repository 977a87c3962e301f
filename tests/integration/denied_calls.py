"""Runs a module as a process to which the kernel denies what the hardened unit denies (EPERM).

usage: denied_calls.py MODULE ARGUMENT...
The calls are those of `SystemCallFilter=~@privileged @resources` that a program could want for itself:
priority, scheduling, processors, limits, locked memory.
"""

from __future__ import annotations

import ctypes
import errno
import os
import runpy
import struct
import sys

CALLS = {
    "x86_64": (141, 144, 149, 151, 160, 203, 251, 314, 325),
    "aarch64": (30, 119, 122, 140, 164, 228, 230, 274, 284),
}
"""Numbers of ioprio_set, mlock, mlock2, mlockall, sched_setaffinity, sched_setattr, sched_setscheduler,
setpriority, setrlimit."""
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def deny(numbers: tuple[int, ...]) -> None:
    """From now on these system calls end with EPERM, in every thread and child."""
    steps = [(_LOAD, 0, 0, 0)]
    for left, number in zip(range(len(numbers), 0, -1), numbers, strict=True):
        steps.append((_JUMP_EQUAL, left, 0, number))
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, arguments in ((_NO_NEW_PRIVILEGES, (1, 0)), (_SECCOMP, (_FILTER, ctypes.addressof(program)))):
        if libc.prctl(option, *(ctypes.c_ulong(one) for one in (*arguments, 0, 0))):
            raise OSError(ctypes.get_errno(), "the filter is not taken")


def main() -> None:
    """Deny, see that it is denied, run."""
    deny(CALLS[os.uname().machine])
    try:
        os.nice(1)
    except PermissionError:
        pass
    else:
        raise RuntimeError("nothing is denied")
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
