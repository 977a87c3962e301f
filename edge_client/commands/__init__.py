"""One file per command of `edge-client`; each imports what it needs when it is called."""
