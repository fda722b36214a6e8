"""Everything that can stop a TCP path, one row each, behind one router: the port-state laboratory."""
