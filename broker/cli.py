"""`edge-broker`: found a chain, run its validators, look at them.

Exit codes, the same for every command: 0 done; 1 our own bug (a traceback is shown); 2 a mistake in the
arguments, files or configuration; 3 something outside cannot be reached, or the disk takes nothing more;
4 the chain and this validator contradict each other, a person has to look.
"""

from __future__ import annotations

import sys

import click

from broker.commands.admit import admit
from broker.commands.audit import audit
from broker.commands.consent import consent
from broker.commands.init import init
from broker.commands.key import key
from broker.commands.status import status
from broker.commands.validator import validator
from broker.commands.voucher import voucher
from edge_client import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edge-broker")
def main() -> None:
    """Validators and MQTT set-up of a federated-learning chain.

    \b
    edge-broker init FOLDER --graph trainable.tflite --server mqtt://host
    edge-broker validator FOLDER/validator-0
    edge-broker status FOLDER/validator-0
    """  # noqa: D301 (click reads the backspace as "keep these lines")


main.add_command(init)
main.add_command(key)
main.add_command(voucher)
main.add_command(admit)
main.add_command(validator)
main.add_command(consent)
main.add_command(status)
main.add_command(audit)

if __name__ == "__main__":
    sys.exit(main())
