"""Whole fleets in virtual time: the same machines as in production, in one thread, from a seed."""
