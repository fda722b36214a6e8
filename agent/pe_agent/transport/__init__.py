"""TCP paths measured: connect with evidence of what stopped it, one absolute deadline, RPC on top."""
