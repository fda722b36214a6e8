"""How many reports a second become durable, and what does each cost? Several ways in one run, see __main__."""
