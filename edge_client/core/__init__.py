"""What a device decides: which header to believe, when to train, what to send. Pure."""
