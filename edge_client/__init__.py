"""The device side of federated learning without a trusted server; importing it loads nothing else."""

__version__ = "0.1.0"
