"""First light: a fleet of real processes on one machine learns real data and finalises every round."""
