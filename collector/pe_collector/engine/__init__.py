"""Why do boots fail? The few conditions that explain the failures of a table of boots.

Pure functions over a table in memory: no SQL, no network, no clock.
"""
