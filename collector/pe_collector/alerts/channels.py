"""Where do alerts go? Read from the settings; secrets and secret addresses come from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pe_agent.errors import UsageError

from pe_collector.alerts.mail import Mail
from pe_collector.alerts.shapes import SHAPES
from pe_collector.alerts.webhook import Webhook
from pe_collector.settings import Settings

_FROM_FILE = "file:"


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to tell. `name` is what the queue knows it by: it holds no secret, and must not change."""

    name: str
    tell: Callable[[dict[str, object]], None]


def channels(folder: Path, settings: Settings) -> Sequence[Channel]:
    """Every channel of the settings.

    Raises:
        UsageError: an address is none, or a file of a secret cannot be read.
    """
    secret = _secret(folder, settings.alert_secret_file)
    made = [_webhook(folder, text, secret) for text in settings.alert_webhooks]
    if settings.alert_smtp:
        made.append(_mail(folder, settings))
    if len({channel.name for channel in made}) < len(made):
        raise UsageError("alert_webhooks: one of them stands there twice")
    return made


def _webhook(folder: Path, text: str, secret: bytes) -> Channel:
    shape, _, where = text.partition(" ")
    url = where.strip()
    if url.startswith(_FROM_FILE):
        url = _secret(folder, url.removeprefix(_FROM_FILE)).decode("utf-8", "replace")
    if shape not in SHAPES or not url.startswith(("https://", "http://")):
        raise UsageError(
            f"alert_webhooks: {shape!r} and an address: {', '.join(SHAPES)} are possible, then https://... or file:NAME"
        )
    webhook = Webhook(url, SHAPES[shape], secret)
    return Channel(f"{shape} {where.strip()}", webhook.tell)


def _mail(folder: Path, settings: Settings) -> Channel:
    host, colon, port = settings.alert_smtp.rpartition(":")
    if not (colon and host and port.isdigit() and settings.alert_mail_from and settings.alert_mail_to):
        raise UsageError("alert_smtp = HOST:PORT needs alert_mail_from and alert_mail_to")
    mail = Mail(
        host=host,
        port=int(port),
        sender=settings.alert_mail_from,
        recipients=settings.alert_mail_to,
        starttls=settings.alert_smtp_starttls,
        user=settings.alert_smtp_user,
        password=_secret(folder, settings.alert_smtp_password_file).decode(),
        ca_file=settings.alert_smtp_ca_file,
    )
    return Channel(f"mail {settings.alert_smtp}", mail.tell)


def _secret(folder: Path, name: str) -> bytes:
    if not name:
        return b""
    try:
        # An absolute name stays what it is.
        return (folder / name).read_bytes().strip()
    except OSError as exc:
        raise UsageError(f"{folder / name}: {exc.strerror}; it holds a secret for alerts") from exc
