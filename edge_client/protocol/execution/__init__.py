"""What a block does: `execute(state, block, ...)` is a pure function that validators run to vote and devices to check."""
