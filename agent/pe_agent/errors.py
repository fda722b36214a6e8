"""Failures a user can meet, each with its exit code, and the exit codes of every program here.

The codes rise with severity, because `if errorlevel N` in a Windows command script means N or more.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit code of pe-agent and pe-collector."""

    HEALTHY = 0
    INTERNAL = 1
    USAGE = 2
    WARNING = 10
    FAULT = 20
    NOT_DELIVERED = 30
    NOT_KEPT = 40


class PeError(Exception):
    """A failure whose message says what went wrong, where, and what to do about it."""

    exit_code = Exit.INTERNAL


class UsageError(PeError):
    """What the user typed or configured cannot be meant."""

    exit_code = Exit.USAGE


class DecodeError(PeError):
    """Octets from the wire or a file do not have the form their format demands."""

    exit_code = Exit.USAGE


class NotDelivered(PeError):
    """The collector has not stored the report (it is kept on local media if `kept` says so)."""

    exit_code = Exit.NOT_DELIVERED


class NotKept(PeError):
    """The report could neither be stored by a collector nor written to local media."""

    exit_code = Exit.NOT_KEPT
