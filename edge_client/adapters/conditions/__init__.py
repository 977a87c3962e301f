"""Readers: one source each, under an injectable root; what cannot be read is `Unknown` with its reason."""
