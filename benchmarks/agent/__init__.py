"""What a device agent costs its board: memory, processor, bytes sent, bytes written, bytes installed."""
