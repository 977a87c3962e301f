"""What simulated and emulated fleets share around the twin: founding, and the life of a device."""
