"""What a monitoring system scrapes at /metrics. No label holds a machine, an address or any word from outside."""
