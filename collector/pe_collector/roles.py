"""What may a token be used for? One word each; the ops roles include each other, those for sending include none."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a token is for: two roles to send with, three for people.

    `ingest` lets a boot image send, `leaf` a collector pass on what others sent it; the others let people ask (reader),
    act (operator) and govern (admin).
    """

    INGEST = "ingest"
    LEAF = "leaf"
    READER = "reader"
    OPERATOR = "operator"
    ADMIN = "admin"


# Who may pass on reports of others. Only of a leaf it is believed where they came from, and when.
FORWARDERS = (Role.INGEST, Role.LEAF)
# Who has the role on the left may do what those on the right may.
_MAY: dict[Role, frozenset[Role]] = {
    Role.INGEST: frozenset({Role.INGEST}),
    Role.LEAF: frozenset({Role.LEAF}),
    Role.READER: frozenset({Role.READER}),
    Role.OPERATOR: frozenset({Role.READER, Role.OPERATOR}),
    Role.ADMIN: frozenset({Role.READER, Role.OPERATOR, Role.ADMIN}),
}


def allows(has: Role, needed: Role) -> bool:
    """Whether somebody with the one role may do what needs the other."""
    return needed in _MAY[has]
