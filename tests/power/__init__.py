"""Power cuts: real stores recorded; every state a disk may be left in is opened again (ADR 0013)."""
