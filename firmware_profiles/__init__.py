"""Rehearsing fleets: the demo, device profiles and the fleet twin."""
