"""Boards as machines and physics: pure, in closed form, the same in `simulate` and `emulate`."""
