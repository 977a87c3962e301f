"""What fleets learn in a rehearsal: scikit-learn's digits, cut into shares, and updates recorded from it."""
