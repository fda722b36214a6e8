"""What may a token be used for? One word each; the ops roles include each other, the ingest role includes none."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """`ingest` lets a boot image send; the others let people ask (reader), act (operator) and govern (admin)."""

    INGEST = "ingest"
    READER = "reader"
    OPERATOR = "operator"
    ADMIN = "admin"


# Who has the role on the left may do what those on the right may.
_MAY: dict[Role, frozenset[Role]] = {
    Role.INGEST: frozenset({Role.INGEST}),
    Role.READER: frozenset({Role.READER}),
    Role.OPERATOR: frozenset({Role.READER, Role.OPERATOR}),
    Role.ADMIN: frozenset({Role.READER, Role.OPERATOR, Role.ADMIN}),
}


def allows(has: Role, needed: Role) -> bool:
    """Whether somebody with the one role may do what needs the other."""
    return needed in _MAY[has]
