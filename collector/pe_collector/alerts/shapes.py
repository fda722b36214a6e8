"""How does each receiver want an alert? The generic document, and what Slack and Teams make a message of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Alert = Mapping[str, Any]
WORDS = {"opened": "New pattern", "worsened": "Pattern worsened", "ended": "Pattern resolved"}


def headline(alert: Alert) -> str:
    """One line for a phone."""
    return f"{WORDS[alert['event']]}: {alert['title']}"


def _generic(alert: Alert) -> dict[str, Any]:
    return dict(alert)


def _slack(alert: Alert) -> dict[str, Any]:
    # https://api.slack.com/reference/surfaces/formatting: three characters are escaped.
    def plain(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"*{plain(headline(alert))}*"}},
        {"type": "section", "text": {"type": "plain_text", "text": alert["sentence"][:2900] or "-"}},
        {"type": "context", "elements": [{"type": "plain_text", "text": _counts(alert)}]},
    ]
    return {"text": plain(headline(alert)), "blocks": blocks}


def _teams(alert: Alert) -> dict[str, Any]:
    # An Adaptive Card in the envelope that Teams' workflow webhooks take.
    body = [
        {"type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": True, "text": headline(alert)},
        {"type": "TextBlock", "wrap": True, "text": alert["sentence"]},
        {"type": "TextBlock", "wrap": True, "isSubtle": True, "text": _counts(alert)},
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _counts(alert: Alert) -> str:
    return f"{alert['machines']} machines failed; pe-collector why {alert['pattern_id']}"


SHAPES: Mapping[str, Callable[[Alert], dict[str, Any]]] = {"generic": _generic, "slack": _slack, "teams": _teams}
