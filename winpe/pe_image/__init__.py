"""pe-image: which boot images does a WIM hold, and where does each one start its shell?"""

__version__ = "0.1.0"
