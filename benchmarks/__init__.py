"""Measurements against the bounds in bounds.toml; `make bench-NAME` and `make check-NAME` run one each."""
