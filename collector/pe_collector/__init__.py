"""The collector: takes reports from boot images, keeps them, and compares them with each other."""

__version__ = "0.1.0"
