"""One file per command of `edge-broker`."""
