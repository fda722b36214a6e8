"""Does every question answer, on an empty collector and on a full one, and does every filter narrow it?"""

import pytest
from pe_agent.errors import UsageError
from pe_collector.questions import QUESTIONS, WORDS
from pe_collector.questions.contract import Unit

NAMES = [question.name for question in QUESTIONS]
# Of one machine, one boot or one pattern: a filter leaves all of it or nothing.
OF_ONE = {"machine", "timeline", "why"}
COUNTS = ("boots", "received", "asked", "failed")


def test_no_name_stands_twice_and_every_row_says_what_it_is():
    assert len(set(NAMES)) == len(NAMES)
    for question in QUESTIONS:
        assert question.title
        assert question.summary.endswith((".", "?"))
        assert (question.select is None) != (question.rows is None)
        columns = [column.name for column in question.columns]
        assert len(set(columns)) == len(columns)


@pytest.mark.parametrize("name", sorted(set(NAMES) - OF_ONE))
def test_an_empty_collector_has_no_rows(empty, name):
    given = {"words": "session"} if name == "logs" else {}
    assert empty.rows(name, since="52w", **given) == []


@pytest.mark.parametrize("name", ["timeline", "why"])
def test_a_name_that_stands_for_nothing_is_refused(empty, name):
    with pytest.raises(UsageError, match="is no"):
        empty.rows(name, **{"timeline": {"boot": "B4C0S2"}, "why": {"pattern": "abcdef"}}[name])


def test_a_machine_nobody_knows_has_no_boots(empty):
    assert empty.rows("machine", machine="B4C0S2") == []


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_a_full_collector_answers_with_exactly_the_columns(seeded, words, question):
    rows = seeded.rows(question.name, **words.get(question.name, {}))
    assert rows
    for row in rows:
        assert list(row) == [column.name for column in question.columns]


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_values_are_in_the_unit_that_their_column_says(seeded, words, question):
    for row in seeded.rows(question.name, **words.get(question.name, {})):
        for column in question.columns:
            value = row[column.name]
            if value is None:
                continue
            if column.unit is Unit.TIME:
                begun_h = 50 if column.name == "day_at" else 26
                assert seeded.now_s - begun_h * 3600 < value < seeded.now_s + 600, column
            elif column.unit is Unit.SHARE:
                assert 0 <= value <= 1, column
            elif column.unit in (Unit.COUNT, Unit.OCTETS):
                assert isinstance(value, int), column
                assert value >= 0, column


def test_every_column_knows_something_of_the_seeded_fleet(seeded, words):
    """A column that is always empty is a column nobody filled."""
    # No simulated machine was in two places, nor was anything said of a pattern.
    unused = {"ended", "label", "merged", "considered", "ruled_out", "paired", "machine_id", "model", "history"}
    for question in QUESTIONS:
        rows = seeded.rows(question.name, **words.get(question.name, {}))
        empty = {c.name for c in question.columns if all(row[c.name] in (None, "") for row in rows)}
        assert empty <= (unused if question.name in ("patterns", "why", "silence") else {"verdict"}), question.name


def weight(rows):
    """How much an answer speaks of."""
    return sum(next((row[name] for name in COUNTS if row.get(name) is not None), 1) for row in rows)


# Filter -> a value that meets some of the fleet, and one that meets none of it.
VALUES = {
    "since": ("5h", "0s"),
    "until": ("170m", "20000h"),
    "subnet": ("10.10.16.0/20", "192.0.2.0/24"),
    "site": ("berlin labs", "Atlantis"),
    "server": ("wds01", "WDS99"),
    "image": ("boot-2026-10", "boot-1999"),
    "model": ("optiplex 7010", "Amiga 500"),
    "outcome": ("fault", "nonsense"),
}
# What a question cannot know, a filter for it leaves nothing: a silent machine has told no image.
NOT_KNOWN = {
    "silence": {"server", "image", "model", "outcome"},
    "changes": {"site", "server", "image", "model", "outcome", "since"},
}

# In any 24 hours one day begins.
BY_DAY = {"subnet-days", "ports"}


@pytest.mark.parametrize("filter_", WORDS)
@pytest.mark.parametrize("name", sorted(set(NAMES) - OF_ONE - {"patterns"}))
def test_every_filter_narrows_every_question(seeded, words, name, filter_):
    asked = {"since": "3d"} | words.get(name, {})
    if name in ("silence",) and filter_ in ("subnet", "site"):
        some = {"subnet": "10.30.16.20/31", "site": "koeln"}[filter_]
    else:
        # Soon after midnight (UTC) nothing has come yet in a day that began within 24 hours.
        some = "2d" if filter_ == "since" and name in BY_DAY else VALUES[filter_][0]
    whole = weight(seeded.rows(name, **asked))
    part = weight(seeded.rows(name, **asked | {filter_: some}))
    nothing = weight(seeded.rows(name, **asked | {filter_: VALUES[filter_][1]}))
    assert nothing == 0
    assert part <= whole
    if filter_ in NOT_KNOWN.get(name, ()):
        assert part == 0
    else:
        assert part > 0
    if name in (
        "deploying",
        "machines",
        "subnets",
        "switches",
        "images",
        "servers",
        "nics",
        "slow",
        "delivery",
        "probes",
    ):
        assert part < whole


def test_filters_leave_the_patterns_of_boots_that_meet_them(seeded):
    whole = {row["id"]: row for row in seeded.rows("patterns")}
    (labs,) = (row for row in whole.values() if "wds-rpc-filtered" in row["signature"])
    assert labs["id"] in {row["id"] for row in seeded.rows("patterns", server="wds01", subnet="10.10.16.0/20")}
    assert labs["id"] not in {row["id"] for row in seeded.rows("patterns", server="WDS02")}
    assert seeded.rows("patterns", model="Amiga 500") == []
    assert {row["signature"][0] for row in seeded.rows("patterns", outcome="healthy")} == {"slow-address"}
    assert seeded.rows("patterns", outcome="unknown") == []


@pytest.mark.parametrize("filter_", sorted(set(WORDS) - {"since", "until"}))
@pytest.mark.parametrize("name", ["machine", "timeline"])
def test_a_filter_leaves_of_one_machine_all_or_nothing(seeded, words, name, filter_):
    value, other = VALUES[filter_]
    boots = seeded.rows("machine", **words["machine"])
    kept = [b for b in boots if filter_ != "outcome" or b["outcome"] == "fault"]
    assert kept
    if filter_ in ("subnet", "site", "server", "outcome"):
        assert seeded.rows(name, **words[name] | {filter_: value})
    assert seeded.rows(name, **words[name] | {filter_: other}) == []


def test_an_unknown_word_is_refused_with_those_that_are_known(seeded):
    with pytest.raises(UsageError, match=r"unknown word 'subnett'.*since.*subnet"):
        seeded.rows("subnets", subnett="10.10.0.0/16")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("since", "yesterday"),
        ("until", "12:00"),
        ("subnet", "10.10.1.300/24"),
        ("limit", "many"),
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "9999999"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused(seeded, word, value):
    with pytest.raises(UsageError):
        seeded.rows("subnets", **{word: value})


def test_a_question_that_needs_a_word_says_which(seeded):
    with pytest.raises(UsageError, match="machine is missing"):
        seeded.rows("machine")


def test_the_limit_cuts_and_says_so(seeded):
    answer = seeded.ask("machines", limit=3)
    assert (len(answer.rows), answer.cut) == (3, True)
    whole = seeded.ask("subnets", limit=1000)
    assert not whole.cut


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", -90), ("30m", -1800), ("2h", -7200), ("7d", -7 * 86400), ("1w", -7 * 86400)],
)
def test_a_span_goes_back_from_now(seeded, text, seconds):
    from pe_collector.questions.filters import moment

    assert moment(text, 1_000_000_000.0) == 1_000_000_000.0 + seconds
    assert moment("2026-11-22T14:05Z") == moment("2026-11-22T15:05+01:00") == moment("2026-11-22T14:05")
    assert moment("1795000000.5") == 1795000000.5
