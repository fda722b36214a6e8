"""What do boots that failed for one reason say about another?"""

from pe_collector.engine.explain import causes
from pe_collector.engine.table import Row, table_of


def test_a_few_timeouts_among_boots_that_nearly_all_fail_otherwise_are_no_second_cause():
    """They come no more often than elsewhere: only few boots are left that could have been well."""
    rows = []
    for n in range(12_000):
        inside = n % 6 == 0
        signature = "architecture-mismatch" if inside and n % 300 else ""
        if n % 97 == 0:
            signature = ("tftp-timeout", "wds-rpc-filtered")[n % 2]
        place = {"image": "x86" if inside else f"image-{n % 5}", "server": f"WDS{n % 4}"}
        rows.append(Row(float(n), f"m{n}", signature, "", place))
    found = causes(table_of(rows))
    assert [(dict(c.conditions), c.signatures) for c in found] == [({"image": "x86"}, ("architecture-mismatch",))]
