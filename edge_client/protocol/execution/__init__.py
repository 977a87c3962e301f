"""What a block does: a pure function that validators run to vote, and devices and auditors to check them."""
