"""What can go wrong with a boot image, said so that the reader knows which file, why, and what to do."""

from __future__ import annotations


class ImageError(Exception):
    """Root of the failures a user of pe-image can meet; nothing was changed when one is raised."""


class HookError(ImageError):
    """The file that starts programs in an image has a form that cannot take one more program."""


class NotWhole(ImageError):
    """An injected image lacks a file, or holds other octets than were put there."""
