"""Who is told of a pattern that is new, worse or over: webhooks and mail, each event once, also after a restart."""
