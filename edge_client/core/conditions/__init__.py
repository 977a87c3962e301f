"""What a board reads of itself, the owner's limits, and the gates between them and the work."""
