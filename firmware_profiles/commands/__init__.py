"""One file per command of `edge-fleet`."""
