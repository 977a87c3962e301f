"""The agent's contact with disk, data and training runtime; one file for each outside thing."""
