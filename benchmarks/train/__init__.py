"""What `make bench-train` runs in fresh processes: one program per runtime, the same models in both."""
