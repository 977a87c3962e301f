"""What happens to a board: charge, heat, sun, links and absences, as formulas of time.

Pure and without ticks: every model answers "what is it at t" and "when does it cross this", so that whoever
rehearses a fleet can sleep until something changes.
"""
