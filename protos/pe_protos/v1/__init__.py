"""Version 1 of the report stream."""
