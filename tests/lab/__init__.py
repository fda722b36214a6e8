"""A deployment network in a box: real DHCP, relay, firewall, endpoint mapper and RPC server in network namespaces."""
