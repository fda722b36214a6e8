"""How is an alert posted? JSON with a signature that its receiver can check: HMAC-SHA256 over moment and body."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pe_agent.errors import PeError

TIMESTAMP, SIGNATURE, ALERT_ID = "X-PE-Timestamp", "X-PE-Signature", "X-PE-Alert-Id"
_PATIENCE_S = 15.0


class NotTold(PeError):
    """The receiver did not take an alert; it will be tried again."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed body goes where it was meant to go."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Webhook:
    """One address; without a secret nothing is signed."""

    url: str
    shape: Callable[[dict[str, object]], dict[str, Any]]
    secret: bytes
    now_s: Callable[[], float] = time.time

    def tell(self, alert: dict[str, object]) -> None:
        """Post it once.

        Raises:
            NotTold: no answer, or one that is no success.
        """
        body = json.dumps(self.shape(alert)).encode()
        headers = {"Content-Type": "application/json", ALERT_ID: str(alert["id"])}
        if self.secret:
            moment = str(int(self.now_s()))
            headers |= {TIMESTAMP: moment, SIGNATURE: signature(self.secret, moment, body)}
        request = urllib.request.Request(self.url, body, headers, method="POST")  # noqa: S310 - checked: http or https
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=_PATIENCE_S):
                return
        except urllib.error.HTTPError as exc:
            exc.close()
            raise NotTold(f"answered {exc.code}") from exc
        except (OSError, ValueError) as exc:
            raise NotTold(f"no answer: {exc}") from exc


def signature(secret: bytes, moment: str, body: bytes) -> str:
    """`sha256=` and the HMAC-SHA256 of `moment.body` in hexadecimal."""
    return "sha256=" + hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
