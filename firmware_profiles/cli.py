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

HELP = """Rehearse fleets of devices with the real software, before buying boards.

\b
Try it:
  edge-fleet demo            a small fleet of real processes on this machine, for two minutes

\b
The way to a fleet of your own:
  1. edge-fleet profiles       boards, links and batteries that are known, and how well
  2. edge-fleet fleets home    a shipped fleet; --copy mine.toml: boards, owners' limits, faults to change
  3. edge-fleet simulate home  a day of its thousand boards in virtual time, some minutes
  4. look at home-1/report.html, change the settings it names, simulate again
  5. edge-fleet compare home   is ours better than federated learning without gates, and what does it cost
  6. edge-fleet emulate home   the same boards on real MQTT, disks and training, 60 times as fast as time

`edge-fleet COMMAND --help` has examples. Formats and what is modelled: docs/FLEETS.md.
"""


@click.group(help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edge-fleet")
def main() -> None:
    """`edge-fleet`; its help is `HELP`."""


for command in (demo, simulate, emulate, compare, fleets, profiles, record, report):
    main.add_command(command)

if __name__ == "__main__":
    sys.exit(main())
