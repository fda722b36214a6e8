"""How do questions and ingest behave with 10 thousand, 100 thousand, a million, ten million reports?"""
