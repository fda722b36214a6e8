"""What is listed beside an answer: a narrower condition that says more of the boots, though not what it costs."""

from pe_collector.engine.explain import causes
from pe_collector.engine.table import Row, table_of

MISMATCH = "architecture-mismatch"


def rows(image, firmware, count, signature=""):
    """Each machine has a place of its own in time, mixed evenly with those of the other rows."""
    attributes = {"image": image, "firmware": firmware, "cpu": "amd64" if image == "new" else "i386"}
    return [
        Row(
            60.0 * n + len(image) + len(firmware) / 10, f"{image}-{firmware}-{signature}-{n}", signature, "", attributes
        )
        for n in range(count)
    ]


def alternatives(well):
    boots = [*rows("new", "uefi", 9, MISMATCH), *rows("new", "bios", well), *rows("old", "uefi", 90)]
    (cause,) = causes(table_of([*boots, *rows("old", "bios", 90)]))
    assert dict(cause.conditions) in ({"image": "new"}, {"cpu": "amd64"})
    return [dict(other.conditions) for other in cause.alternatives]


def test_what_leaves_out_a_boot_that_was_well_is_listed_after_what_is_no_part():
    listed = alternatives(well=1)
    assert [len(other) for other in listed] == sorted(len(other) for other in listed)
    assert any(other.get("firmware") == "uefi" and len(other) == 2 for other in listed)


def test_what_all_its_boots_share_is_not_listed():
    assert all("firmware" not in other for other in alternatives(well=0))
