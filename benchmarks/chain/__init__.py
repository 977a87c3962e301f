"""The parts of `make bench-chain`."""
