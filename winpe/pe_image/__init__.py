"""pe-image: put the agent into boot images, take it out again, and see what a WIM holds."""

__version__ = "0.1.0"
