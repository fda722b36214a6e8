"""How does the store fail?"""

from pe_agent.errors import PeError


class StoreError(PeError):
    """The database cannot take or give rows: full disk, damaged file, lock held too long, server gone."""
