"""Coverage-guided fuzzing of every codec: any octets decode or are refused, and nothing else happens."""
