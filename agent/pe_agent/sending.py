"""Who gets the report, and how do we know each other? What the settings say about it, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pe_agent import settings
from pe_agent.settings import Settings
from pe_agent.trust import Trust, check_addresses, read_trust

if TYPE_CHECKING:
    from pe_agent.upload import Uploader


def check_sending(told: Settings) -> None:
    """Look at what is set for sending before anything is asked of the network.

    Raises:
        UsageError: it cannot be meant.
    """
    if told.collector:
        check_addresses(told.collector, trust_of(told))
    uploader_of(told)


def trust_of(told: Settings) -> Trust:
    """How the settings say a collector is known.

    Raises:
        UsageError: a file they name cannot be read.
    """
    return read_trust(told.ca, settings.token_of(told), plain=told.plain)


def uploader_of(told: Settings) -> Uploader | None:
    """The way by HTTPS; None when no address is set.

    Raises:
        UsageError: what is set for it cannot be meant.
    """
    if not told.upload:
        return None
    from pe_agent.upload import Uploader  # noqa: PLC0415 - pays for http only when there is somewhere to upload to

    return Uploader(told.upload, trust_of(told))
