"""The owner's training data: where they come from, which of them are used, and which are never trained on."""
