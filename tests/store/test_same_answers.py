"""Every question has the same answer on every engine, row for row."""

import hashlib
import json
import math
from pathlib import Path

import pytest
from pe_collector import questions
from pe_collector.analytics import duck, parquet
from pe_collector.questions import asking
from pe_collector.simulated import filling
from pe_collector.store.engines import ENGINES
from pe_collector.store.where import SQLITE, VARIABLE

from tests.store.conftest import url_of

NOW = 1_763_000_000.0
# Every row: an answer that is cut compares its beginning only.
MOST = asking.MOST_ROWS_EVER
# Words for what a question cannot be asked without, from what is stored.
WORDS = {"words": "error", "machine": "", "boot": "", "pattern": ""}
FILTERS = (
    {},
    {"since": "6h"},
    {"subnet": "10.10.0.0/16"},
    {"outcome": "fault"},
    {"site": "Berlin"},
    {"server": "WDS01", "outcome": "fault,healthy"},
    {"model": "OptiPlex 7010"},
    # Cut, and of rows that stand equal always the same ones.
    {"limit": "7"},
)


@pytest.fixture(scope="module", params=[240, pytest.param(2000, marks=pytest.mark.slow)], ids=lambda n: f"{n}-boots")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Engine -> the folder of a collector with the same fleet, and its store's URL in the file of settings."""
    boots = request.param
    made = {}
    for engine in ENGINES:
        folder = tmp_path_factory.mktemp(engine) / "data"
        folder.mkdir()
        url = url_of(request, folder, engine)
        (folder / "collector.toml").write_text(f'store = "{url}"\n')
        with pytest.MonkeyPatch.context() as context:
            context.delenv(VARIABLE, raising=False)
            assert filling.fill(folder, NOW, boots=boots) == boots
        made[engine] = folder
    return made


def asked(folder: Path, question: questions.Question, words: dict[str, str]) -> list[str]:
    with asking.connected(folder) as connection:
        return in_lines(asking.ask(connection, question, {"limit": MOST, **words}, NOW))


def in_lines(answer: questions.Answer) -> list[str]:
    return [json.dumps({name: rounded(value) for name, value in row.items()}, sort_keys=True) for row in answer.rows]


def rounded(value: object) -> object:
    """An average depends in its last digit on the order in which it was added up."""
    return float(f"{value:.9g}") if isinstance(value, float) else value


def known_words(folder: Path) -> dict[str, str]:
    with asking.connected(folder) as connection:
        machines = asking.ask(connection, questions.question_named("machines"), {}, NOW).rows
        patterns = asking.ask(connection, questions.question_named("patterns"), {}, NOW).rows
    newest = machines[0]
    return {"machine": newest["machine_id"], "boot": newest["code"], "pattern": patterns[0]["id"], "words": "error"}


@pytest.mark.parametrize("question", questions.QUESTIONS, ids=lambda question: question.name)
def test_the_answer_is_the_same_on_every_engine(stores, question):
    told = known_words(stores[SQLITE])
    needed = {p.name: told[p.name] for p in question.parameters if p.needed}
    answered = 0
    for filters in FILTERS:
        rows = {engine: asked(folder, question, {**needed, **filters}) for engine, folder in stores.items()}
        hashes = {engine: hashlib.sha256("\n".join(those).encode()).hexdigest() for engine, those in rows.items()}
        assert len(set(hashes.values())) == 1, (filters, rows)
        answered += len(rows[SQLITE])
    assert answered, "a question without an answer compares nothing"


@pytest.fixture(scope="module")
def exports(stores, tmp_path_factory) -> dict[str, Path]:
    """Engine -> what its collector exported."""
    pytest.importorskip("duckdb")
    made = {}
    for engine, folder in stores.items():
        made[engine] = tmp_path_factory.mktemp(engine) / "history"
        with pytest.MonkeyPatch.context() as context:
            context.delenv(VARIABLE, raising=False)
            assert parquet.export(folder, made[engine], 0.0, math.inf).written
    return made


@pytest.mark.parametrize(
    "question", [q for q in questions.QUESTIONS if q.name not in duck.REFUSED], ids=lambda question: question.name
)
def test_an_export_of_any_engine_answers_as_the_store_does(stores, exports, question):
    told = known_words(stores[SQLITE])
    needed = {p.name: told[p.name] for p in question.parameters if p.needed}
    answered = 0
    for filters in FILTERS:
        words = {**needed, **filters}
        expected = asked(stores[SQLITE], question, words)
        for engine, history in exports.items():
            answer = duck.ask_export(history, question, {"limit": MOST, **words}, NOW)
            assert in_lines(answer) == expected, (engine, filters)
        answered += len(expected)
    assert answered, "a question without an answer compares nothing"


@pytest.mark.parametrize(
    "words", ["error", "0x800704*", '"failed to"', "wds setup", "c:\\windows", "0xC1420127", "nothinglikethis"]
)
def test_a_search_finds_the_same_lines(stores, words):
    question = questions.question_named("logs")
    rows = {engine: asked(folder, question, {"words": words}) for engine, folder in stores.items()}
    assert len({tuple(those) for those in rows.values()}) == 1, rows
