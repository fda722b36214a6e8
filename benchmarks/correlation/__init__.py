"""How well are the causes of failing boots named? A made-up fleet with known faults, ways to find them, and a score."""
