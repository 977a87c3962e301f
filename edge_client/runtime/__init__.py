"""The shell shared by agent and validator (clock, transport, loop, stores, logs): it does what it is told."""
