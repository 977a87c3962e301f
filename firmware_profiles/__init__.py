"""Rehearsing fleets: the demo, a whole fleet on one machine."""
