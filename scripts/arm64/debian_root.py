"""A Debian of another processor in a folder, and its Python run under qemu-user: no container, no boot, and
nothing registered with the kernel. Needs root: chroot, and mounts in a namespace of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
SUITE = "bookworm"
PYTHON = "3.11"
VENV = "/fl"
"""Where our package is installed, in the root."""


@dataclass(frozen=True)
class Board:
    """What differs between the two kinds of boards."""

    arch: str
    """As Debian names it."""
    qemu: str
    """The emulator, a static program."""
    extra: str
    """The extra of our package, which names the TFLite runtime."""
    packages: tuple[str, ...]
    """From Debian, where PyPI has no wheels."""
    platforms: tuple[str, ...]
    """Of wheels that run there."""
    download: tuple[str, ...]
    """What is fetched as wheels, without dependencies; empty: our package with all of them."""
    libraries: tuple[str, ...]
    """Folders that Debian's `update-alternatives` would have linked; it never runs here."""
    cpuinfo: str
    """For /proc/cpuinfo: LiteRT's cpuinfo library crashes on that of a host with another processor."""


BASE = ("python3", "python3-pip", "ca-certificates")
CPUINFO_64 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
"""
CPUINFO_32 = """processor\t: 0
model name\t: ARMv7 Processor rev 5 (v7l)
Features\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm
CPU implementer\t: 0x41
CPU architecture: 7
CPU variant\t: 0x0
CPU part\t: 0xc07
CPU revision\t: 5
"""
_GLIBC_64 = ("2014", "_2_17", "_2_26", "_2_27", "_2_28", "_2_34")
BOARDS = {
    "arm64": Board(
        "arm64", "qemu-aarch64-static", "litert", BASE,
        tuple(f"manylinux{one}_aarch64" for one in _GLIBC_64), (), (), CPUINFO_64,
    ),
    "armhf": Board(
        "armhf", "qemu-arm-static", "tflite",
        (*BASE, "python3-numpy", "python3-psutil", "python3-nacl", "python3-cffi",
         "python3-cffi-backend"),
        ("manylinux_2_34_armv7l",),
        ("tflite-runtime==2.14.0", "click", "paho-mqtt", "sqlite-utils", "click-default-group", "pluggy",
         "python-dateutil", "sqlite-fts4", "tabulate", "tzdata", "six"),
        tuple(f"/usr/lib/arm-linux-gnueabihf/{one}" for one in ("blas", "lapack")), CPUINFO_32,
    ),
}  # fmt: skip


class DebianRoot:
    """One root below `folder`; kept between runs, because making it takes minutes."""

    def __init__(self, board: Board, folder: Path) -> None:
        self.board = board
        self.path = folder / f"root-{board.arch}"

    def make(self) -> None:
        """Unpack Debian, unless this very one is there; nothing of it is executed, so no emulation yet."""
        done = self.path / "unpacked"
        if done.exists() and done.read_text() == self.made_of():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        include = ",".join(self.board.packages)
        options = ["--foreign", "--variant=minbase", f"--arch={self.board.arch}", f"--include={include}"]
        subprocess.run(
            ["debootstrap", *options, SUITE, str(self.path), MIRROR], check=True, stdout=subprocess.DEVNULL
        )
        for package in sorted(self.path.glob("var/cache/apt/archives/*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(package), str(self.path)], check=True)
            package.unlink()
        emulator = shutil.which(self.board.qemu)
        assert emulator is not None
        shutil.copy(emulator, self.path / "usr/bin")
        (self.path / "cpuinfo").write_text(self.board.cpuinfo)
        done.write_text(self.made_of())

    def made_of(self) -> str:
        """What decides the contents of the root, as text."""
        return f"{SUITE} {' '.join(self.board.packages)}\n{self.board.cpuinfo}"

    def command(self, *arguments: str, python: str = f"{VENV}/bin/python3") -> list[str]:
        """The command line that runs its Python with these arguments, emulated."""
        inside = (
            f"mount -t proc proc {self.path}/proc "
            f"&& mount --bind {self.path}/cpuinfo {self.path}/proc/cpuinfo "
            f'&& exec chroot {self.path} /usr/bin/{self.board.qemu} "$@"'
        )
        variables = {"LD_LIBRARY_PATH": ":".join(self.board.libraries), "OMP_NUM_THREADS": "1",
                     "HOME": "/root", "PATH": "/usr/local/bin:/usr/bin:/bin"}  # fmt: skip
        settings = [word for name, value in variables.items() for word in ("-E", f"{name}={value}")]
        host = ["env", "-i", f"PATH={os.defpath}:/usr/sbin:/sbin", "unshare", "-m", "sh", "-c", inside, "sh"]
        return [*host, *settings, python, *arguments]

    def make_venv(self) -> None:
        """An empty environment that sees Debian's packages; an earlier one is gone. Debian's pip serves it:
        making one of its own would start programs, which only this class knows how to emulate."""
        making = ["-m", "venv", "--clear", "--without-pip", "--system-site-packages", VENV]
        subprocess.run(self.command(*making, python="/usr/bin/python3"), check=True, cwd="/")

    def python(self, *arguments: str) -> str:
        """Run the environment's Python and return what it printed; raises `CalledProcessError`."""
        return subprocess.run(
            self.command(*arguments), check=True, stdout=subprocess.PIPE, text=True, cwd="/"
        ).stdout
