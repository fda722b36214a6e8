"""What keeps a collector in good health: is all well, a copy of everything, room for what comes."""
