"""What travels between pe-agent and pe-collector (see v1/report.proto)."""
