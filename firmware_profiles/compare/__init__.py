"""The same fleet under other owners' settings: what each costs, and what it brings."""
