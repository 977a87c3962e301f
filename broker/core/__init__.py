"""What a validator decides. Pure: no clock, socket, disk or randomness."""
