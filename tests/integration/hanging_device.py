"""`edge-client` whose event loop hangs for ever at SIGUSR1, while its other threads live on: Python runs a
signal's handler in the main thread, which is the loop's."""

from __future__ import annotations

import signal
import threading

from edge_client.cli import main


def hang(*_: object) -> None:
    threading.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, hang)
    main()
