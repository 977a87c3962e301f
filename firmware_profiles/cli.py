"""`edge-fleet`: rehearse a fleet before buying boards.

Exit codes: 0 done; 1 the fleet did not do what it should, or our own bug; 2 a mistake in arguments or set-up;
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys

import click

from edge_client import __version__
from firmware_profiles.commands.compare import compare
from firmware_profiles.commands.demo import demo
from firmware_profiles.commands.emulate import emulate
from firmware_profiles.commands.fleets import fleets
from firmware_profiles.commands.profiles import profiles
from firmware_profiles.commands.record import record
from firmware_profiles.commands.report import report
from firmware_profiles.commands.simulate import simulate


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edge-fleet")
def main() -> None:
    r"""Rehearse fleets of devices with the real software.

    \b
    edge-fleet demo            a whole fleet on this machine, for two minutes
    edge-fleet simulate home   a day of a thousand boards, in virtual time
    edge-fleet emulate home    the same with real MQTT, disks and training, 60 times as fast as time
    edge-fleet fleets          the fleets that can be rehearsed
    edge-fleet compare         what owners' settings cost and bring
    edge-fleet report          a page with plots from report.json
    edge-fleet profiles        what is known of boards, links and batteries
    """


for command in (demo, simulate, emulate, compare, fleets, profiles, record, report):
    main.add_command(command)

if __name__ == "__main__":
    sys.exit(main())
