"""The collector: takes reports from boot images, keeps them, and compares them with each other."""

from importlib import metadata

__version__ = metadata.version("pe-agent")
