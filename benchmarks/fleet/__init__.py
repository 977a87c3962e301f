"""Parts of `make bench-fleet`."""
