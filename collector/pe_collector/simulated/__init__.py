"""A collector filled with a simulated fleet: for the tests, the page's pictures, and whoever wants to look around.

No machine was booted for it; every name, address and log is made up from a seed.
"""

from pe_collector.simulated.filling import SITES, fill

__all__ = ["SITES", "fill"]
