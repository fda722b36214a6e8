"""Who may send, and who may ask? Tokens `id.secret`; of the secret only a hash is kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Collection
from dataclasses import dataclass

from pe_agent.errors import UsageError

from pe_collector.connection import Connection, Row
from pe_collector.refusal import Reason, Refused
from pe_collector.roles import Role

SECRET_OCTETS = 32
DEFAULT_DAYS = 90.0
_DAY_S = 86400.0
# No honest token is longer; what is longer is not hashed.
_MOST_LETTERS = 200
_ADVICE = "make a new one with `pe-collector tokens new` and put it into the boot image"


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is good now, without its secret."""

    id: str
    name: str
    role: Role
    last_used: float | None = None


def new_token(
    connection: Connection, name: str, now_s: float, days: float = DEFAULT_DAYS, role: Role = Role.INGEST
) -> str:
    """Make a token and return it whole: the only time its secret can be seen."""
    token_id = base64.b32encode(os.urandom(5)).decode().lower()
    secret = os.urandom(SECRET_OCTETS).hex()
    connection.execute(
        "INSERT INTO token (token_id, secret_hash, name, created, expires, role) VALUES (?,?,?,?,?,?)",
        (token_id, _hash(secret), name, now_s, now_s + days * _DAY_S, role),
    )
    return f"{token_id}.{secret}"


def check_token(connection: Connection, token: str, now_s: float, roles: Collection[Role] = (Role.INGEST,)) -> str:
    """The id of a token that may send now, in one of these roles.

    Raises:
        Refused: it is missing, unknown, expired, revoked or for people; the message says what to do.
    """
    found = find_token(connection, token, now_s)
    if found.role not in roles:
        raise Refused(Reason.TOKEN_ROLE, f"token {found.id} is a {found.role} token, not one for this; {_ADVICE}")
    return found.id


def find_token(connection: Connection, token: str, now_s: float) -> Token:
    """A token that is good now, whatever it is for.

    Raises:
        Refused: it is missing, unknown, expired, revoked or in quarantine.
    """
    if not token:
        raise Refused(Reason.NO_TOKEN, f"the hello carries no token; {_ADVICE}")
    token_id, _, secret = token.strip()[:_MOST_LETTERS].partition(".")
    row = _row(connection, token_id)
    # An unknown id costs the same comparison as a wrong secret.
    right = hmac.compare_digest(_hash(secret), row["secret_hash"] if row else _hash(""))
    if row is None or not right:
        raise Refused(Reason.TOKEN_UNKNOWN, f"the token is not one of this collector's; {_ADVICE}")
    return _good(row, now_s)


def good_token(connection: Connection, token_id: str, now_s: float) -> Token:
    """A token by its id, whose secret was seen before.

    Raises:
        Refused: it is not good any more.
    """
    row = _row(connection, token_id)
    if row is None:
        raise Refused(Reason.TOKEN_UNKNOWN, f"the token is not one of this collector's; {_ADVICE}")
    return _good(row, now_s)


def _row(connection: Connection, token_id: str) -> Row | None:
    """The token and whether it is in quarantine, by one question: every report asks it."""
    asked = (
        "SELECT token.*, EXISTS (SELECT 1 FROM quarantine q WHERE q.token_id=token.token_id AND lifted IS NULL) "
        "AS held FROM token WHERE token_id=?"
    )
    row: Row | None = connection.execute(asked, (token_id,)).fetchone()
    return row


def _good(row: Row, now_s: float) -> Token:
    token_id = row["token_id"]
    if row["revoked"] is not None:
        raise Refused(Reason.TOKEN_REVOKED, f"token {token_id} was revoked; {_ADVICE}")
    if row["expires"] <= now_s:
        raise Refused(Reason.TOKEN_EXPIRED, f"token {token_id} has expired; {_ADVICE}")
    if row["held"]:
        raise Refused(Reason.QUARANTINED, f"token {token_id} is in quarantine; {_ADVICE}")
    return Token(token_id, row["name"], Role(row["role"]), row["last_used"])


def revoke_token(connection: Connection, token_id: str, now_s: float) -> None:
    """Refuse this token from now on.

    Raises:
        UsageError: there is no such token.
    """
    changed = connection.execute(
        "UPDATE token SET revoked=coalesce(revoked, ?) WHERE token_id=?", (now_s, token_id)
    ).rowcount
    if not changed:
        raise no_such_token(token_id)


def rotate_token(connection: Connection, token_id: str, now_s: float, overlap_days: float) -> str:
    """A new token with the name, role and life of an old one, which ends `overlap_days` from now or earlier.

    Raises:
        UsageError: there is no such token.
    """
    row = connection.execute("SELECT * FROM token WHERE token_id=?", (token_id,)).fetchone()
    if row is None:
        raise no_such_token(token_id)
    days = (row["expires"] - row["created"]) / _DAY_S
    made = new_token(connection, row["name"], now_s, days, Role(row["role"]))
    until = now_s + overlap_days * _DAY_S
    connection.execute("UPDATE token SET expires=? WHERE token_id=? AND expires>?", (until, token_id, until))
    return made


def list_tokens(connection: Connection) -> list[dict[str, object]]:
    """All tokens, oldest first, without their secrets; `quarantined` is since when their reports are hidden."""
    rows = connection.execute(
        "SELECT token_id, role, name, created, expires, revoked, (SELECT min(since) FROM quarantine q "
        "WHERE q.token_id=token.token_id AND lifted IS NULL) AS quarantined, last_used, last_peer "
        "FROM token ORDER BY created, token_id"
    )
    return [dict(row) for row in rows]


def no_such_token(token_id: str) -> UsageError:
    """The error for an id that no token has."""
    return UsageError(f"no token {token_id!r}; `pe-collector tokens list` shows them")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
