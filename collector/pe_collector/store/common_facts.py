"""What a report has in common with others, kept in its row and worked out anew when an answer bears on it."""

from __future__ import annotations

import json
from collections.abc import Collection

from pe_protos.v1 import report_pb2 as pb

from pe_collector.attributes import Observed, attributes_of, probes
from pe_collector.connection import Connection
from pe_collector.store.addresses import address_key
from pe_collector.store.observed import Answer, Answers
from pe_collector.store.rows import Filed

# Column of the report -> attribute.
_OF_ATTRIBUTE = {
    "address": "address",
    "prefix": "subnet",
    "server": "server",
    "image": "image",
    "model": "model",
    "nic": "adapter_hardware",
    "nic_driver": "adapter_driver",
    "switch": "switch",
    "switch_port": "port",
}
COLUMNS = ("attributes", *_OF_ATTRIBUTE, "address_key", "link_to_address_s")
SITE_OF_KEY = (
    "(SELECT site FROM site_prefix WHERE first_key<=:address_key AND last_key>=:address_key "
    "ORDER BY first_key DESC, length DESC LIMIT 1)"
)
_UPDATE = (
    f"UPDATE report SET {', '.join(f'{name}=:{name}' for name in COLUMNS)}, site={SITE_OF_KEY} "  # noqa: S608 - ours
    "WHERE report_id=:report_id"
)
_PROBE_COLUMN = 2


def bears_attributes(frame: Filed) -> bool:
    """Whether a frame can change the attributes of its report."""
    return frame.table == "observation" and frame.row[_PROBE_COLUMN] in probes()


def attribute_columns(hello: pb.Hello, observed: Observed) -> tuple[str | float | None, ...]:
    """The values of COLUMNS."""
    found = attributes_of(hello, observed)
    named = (found.get(attribute) for attribute in _OF_ATTRIBUTE.values())
    return json.dumps(found), *named, address_key(found.get("address")), _link_to_address_s(observed)


def refresh_attributes(connection: Connection, report_ids: Collection[str], answers: Answers) -> None:
    """Work out the attributes of these reports from their hellos and all answers of their probes."""
    if not report_ids:
        return
    hellos = connection.execute(
        "SELECT report_id, octets FROM json_each(?) CROSS JOIN frame ON report_id=value AND sequence=0",
        (json.dumps(sorted(report_ids)),),
    ).fetchall()
    rows = []
    for report_id, octets in hellos:
        observed = [(a.probe, json.loads(a.facts)) for a in answers.get(report_id, ()) if _bears(a)]
        values = attribute_columns(pb.Frame.FromString(octets).hello, observed)
        rows.append(dict(zip(COLUMNS, values, strict=True)) | {"report_id": report_id})
    connection.executemany(_UPDATE, rows)


def _bears(answer: Answer) -> bool:
    return answer.outcome != "skipped" and answer.probe in probes()


def _link_to_address_s(observed: Observed) -> float | None:
    """What the address probe measured on the adapter that has the address."""
    waits = (facts.get("wait_s") for probe, facts in observed if probe == "address" and "address" in facts)
    return next((float(wait_s) for wait_s in waits if isinstance(wait_s, int | float)), None)
