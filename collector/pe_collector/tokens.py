"""Who may send reports? Tokens `id.secret`; of the secret only a hash is kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import sqlite3

from pe_agent.errors import UsageError

from pe_collector.refusal import Reason, Refused

SECRET_OCTETS = 32
DEFAULT_DAYS = 90.0
_ADVICE = "make a new one with `pe-collector tokens new` and put it into the boot image"


def new_token(connection: sqlite3.Connection, name: str, now_s: float, days: float = DEFAULT_DAYS) -> str:
    """Make a token and return it whole: the only time its secret can be seen."""
    token_id = base64.b32encode(os.urandom(5)).decode().lower()
    secret = os.urandom(SECRET_OCTETS).hex()
    connection.execute(
        "INSERT INTO token (token_id, secret_hash, name, created, expires) VALUES (?,?,?,?,?)",
        (token_id, _hash(secret), name, now_s, now_s + days * 86400),
    )
    return f"{token_id}.{secret}"


def check_token(connection: sqlite3.Connection, token: str, now_s: float) -> str:
    """The id of a token that is good now.

    Raises:
        Refused: it is missing, unknown, expired or revoked; the message says what to do.
    """
    if not token:
        raise Refused(Reason.NO_TOKEN, f"the hello carries no token; {_ADVICE}")
    token_id, _, secret = token.strip().partition(".")
    row = connection.execute("SELECT secret_hash, expires, revoked FROM token WHERE token_id=?", (token_id,)).fetchone()
    # An unknown id costs the same comparison as a wrong secret.
    right = hmac.compare_digest(_hash(secret), row["secret_hash"] if row else _hash(""))
    if row is None or not right:
        raise Refused(Reason.TOKEN_UNKNOWN, f"the token is not one of this collector's; {_ADVICE}")
    if row["revoked"] is not None:
        raise Refused(Reason.TOKEN_REVOKED, f"token {token_id} was revoked; {_ADVICE}")
    if row["expires"] <= now_s:
        raise Refused(Reason.TOKEN_EXPIRED, f"token {token_id} has expired; {_ADVICE}")
    return token_id


def revoke_token(connection: sqlite3.Connection, token_id: str, now_s: float) -> None:
    """Refuse this token from now on.

    Raises:
        UsageError: there is no such token.
    """
    changed = connection.execute(
        "UPDATE token SET revoked=coalesce(revoked, ?) WHERE token_id=?", (now_s, token_id)
    ).rowcount
    if not changed:
        raise UsageError(f"no token {token_id!r}; `pe-collector tokens list` shows them")


def list_tokens(connection: sqlite3.Connection) -> list[dict[str, object]]:
    """All tokens, oldest first, without their secrets."""
    rows = connection.execute(
        "SELECT token_id, name, created, expires, revoked, last_used, last_peer FROM token ORDER BY created, token_id"
    )
    return [dict(row) for row in rows]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
