"""A browser without a browser: one HTTP request, its status, headers and body as they came."""

import http.client
import json
import ssl
from dataclasses import dataclass


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def document(self):
        return json.loads(self.body)


def ask(address, method, path, body=None, **headers):
    """`ca` names the certificate to trust, for TLS; the others are headers, `_` for `-`."""
    ca = headers.pop("ca", None)
    host, _, port = address.rpartition(":")
    if ca:
        context = ssl.create_default_context(cafile=str(ca))
        context.check_hostname = False
        connection = http.client.HTTPSConnection(host, int(port), timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, _body(response, fields))
    finally:
        connection.close()


def _body(response, fields):
    """The whole body; of a stream of events, which has no end, the first one."""
    if not fields.get("content-type", "").startswith("text/event-stream"):
        return response.read()
    lines = []
    while not lines or lines[-1].strip():
        lines.append(response.readline())
    return b"".join(lines)


def bearer(token):
    return {"authorization": f"Bearer {token}"}
