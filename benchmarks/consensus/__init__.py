"""Parts of `make check-consensus`; each returns figures of bounds.toml and prints what it found."""
