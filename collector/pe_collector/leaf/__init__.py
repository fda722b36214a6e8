"""A collector at a site: takes what its agents send, answers for it, and passes it on to a hub."""
