"""The boots of a look, read and chosen all at once in the plainest way: what a window must come to bit by bit."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
from pe_collector.boots import boot_of, findings_of
from pe_collector.findings.server_events import ATTRIBUTE, read_errors

HOUR_S = 3600


def kept_reports(connection, most):
    """Rows of the newest reports and of a sample of the older ones, and since when all are there."""
    hours = defaultdict(list)
    for row in connection.execute("SELECT * FROM report"):
        hours[int(row["received_at"] // HOUR_S)].append(row)
    kept, newer, whole_since_s = [], 0, 0.0
    for hour in sorted(hours, reverse=True):
        room = room_for(newer + len(hours[hour]), most) - room_for(newer, most)
        newer += len(hours[hour])
        kept += sorted(hours[hour], key=lambda row: (row["machine_id"], row["report_id"]))[:room]
        if room < len(hours[hour]):
            whole_since_s = max(whole_since_s, (hour + 1) * HOUR_S)
    return kept, whole_since_s


def room_for(newest, most):
    return newest if newest <= most else most + int(most / 2 * (1 - (most / newest) ** 0.5))


def boots_anew(connection, most=10**6):
    """Boots of the reports that are kept, in order of time, and since when none is left out."""
    rows, whole_since_s = kept_reports(connection, most)
    of_boot = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["received_at"], row["report_id"])):
        of_boot[row["boot_key"]].append(row)
    findings = findings_of(connection, [row["report_id"] for row in rows])
    boots = [boot_of(own, findings) for own in of_boot.values()]
    return sorted(boots, key=lambda boot: (boot.at_s, boot.report_id)), whole_since_s


def with_server_events(connection, boots):
    """The boots with what a server logged around them, as far as the logs cover their time."""
    logged = read_errors(connection, boots[0].at_s, boots[-1].at_s) if boots else None
    if logged is None:
        return list(boots)
    covered = logged.covers(np.array([boot.at_s for boot in boots])).tolist()
    return [
        replace(boot, attributes={**boot.attributes, ATTRIBUTE: logged.about(boot)}) if known else boot
        for boot, known in zip(boots, covered, strict=True)
    ]
