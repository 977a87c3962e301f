"""`edge-client`: a device of a federated-learning chain.

Exit codes, the same for every command:

    0   done
    1   our own bug: a traceback is shown, please report it
    2   a mistake in arguments, configuration, key, data or state folder, or a proof that proves nothing
    3   something outside cannot be reached, or the disk takes nothing more
    4   the owner must decide: the chain contradicts what was verified before

A service manager must not restart after 2 and 4 (systemd: RestartPreventExitStatus=2 4).
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

import click

from edge_client import __version__

COMMANDS = (
    "init",
    "run",
    "status",
    "why",
    "pause",
    "resume",
    "history",
    "calibrate",
    "diag",
    "verify",
    "prune",
    "trust",
    "doctor",
    "install-service",
    "uninstall",
    "data",
    "export",
    "predict",
    "opt-in",
    "opt-out",
    "prove",
    "verify-proof",
    "trainable",
)


class LazyCommands(click.Group):
    """Finds a command in `edge_client/commands/` when it is asked for, so that none pays for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The commands, in the order in which a newcomer needs them."""
        return [name for name in COMMANDS if find_spec(_module(name))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = getattr(import_module(_module(cmd_name)), cmd_name.replace("-", "_"))
        return command


def _module(command: str) -> str:
    return f"edge_client.commands.{command.replace('-', '_')}"


@click.group(
    cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="edge-client")
def main() -> None:
    """Learn together with other boards, without a server to trust.

    \b
    edge-client init --join JOIN --state FOLDER --data npz:DATA.npz
    edge-client run --state FOLDER
    edge-client status --state FOLDER
    """  # noqa: D301 (click reads the backspace as "keep these lines")


if __name__ == "__main__":
    sys.exit(main())
