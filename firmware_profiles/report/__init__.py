"""What a rehearsal showed: facts, a page to look at, plots."""
