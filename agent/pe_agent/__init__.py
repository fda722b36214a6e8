"""pe-agent: why does this machine, booted from the network into Windows PE, not get its Windows?"""

__version__ = "0.1.0"
