"""How is an alert mailed? By SMTP, with STARTTLS unless told otherwise; a server without it gets nothing."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage

from pe_collector.alerts.shapes import headline
from pe_collector.alerts.webhook import NotTold

_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Mail:
    """One server and those who are told; `ca_file` empty: the system's authorities."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    starttls: bool = True
    user: str = ""
    password: str = ""
    ca_file: str = ""

    def tell(self, alert: dict[str, object]) -> None:
        """Mail it once to all.

        Raises:
            NotTold: the server did not take it for everybody.
        """
        try:
            with smtplib.SMTP(self.host, self.port, timeout=_PATIENCE_S) as server:
                if self.starttls:
                    server.starttls(context=ssl.create_default_context(cafile=self.ca_file or None))
                if self.user:
                    server.login(self.user, self.password)
                refused = server.send_message(self._message(alert))
        except (OSError, smtplib.SMTPException) as exc:
            raise NotTold(f"mail: {exc}") from exc
        if refused:
            raise NotTold(f"mail was refused for {', '.join(refused)}")

    def _message(self, alert: dict[str, object]) -> EmailMessage:
        message = EmailMessage()
        # A header is one line, whatever a machine called itself.
        message["Subject"] = " ".join(headline(alert).split())
        message["From"], message["To"] = self.sender, ", ".join(self.recipients)
        message["X-PE-Alert-Id"] = str(alert["id"])
        message.set_content(
            f"{alert['sentence']}\n\n{alert['machines']} machines failed.\n\npe-collector why {alert['pattern_id']}\n"
        )
        return message
