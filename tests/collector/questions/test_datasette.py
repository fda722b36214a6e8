"""Does the real Datasette open the file, and is every documented view readable there?"""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from pe_collector import store
from pe_collector.store.views import VIEWS

from tests.docs.datasette import metadata

pytest.importorskip("datasette", reason="Datasette is not installed")
METADATA = Path(__file__).parents[3] / "deploy" / "datasette.json"


@pytest.fixture(scope="module")
def datasette(seeded):
    told = [
        "serve",
        str(seeded.data / store.FILE_NAME),
        "--metadata",
        str(METADATA),
        "--host",
        "127.0.0.1",
        "--port",
        "0",
    ]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "datasette", *told],
        stderr=subprocess.PIPE,
        text=True,
    )
    said = next(line for line in process.stderr if "Uvicorn running on " in line)
    yield said.split(" running on ")[1].split()[0]
    process.terminate()
    process.wait(30)
    process.stderr.close()


def fetch(url):
    with urllib.request.urlopen(url, timeout=120) as answer:
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("view", sorted(VIEWS.tables))
def test_every_view_has_a_page_and_json(datasette, view):
    status, page = fetch(f"{datasette}/collector/{view}")
    assert status == 200
    assert view in page
    status, text = fetch(f"{datasette}/collector/{view}.json?_shape=array&_size=3")
    rows = json.loads(text)
    assert list(rows[0]) == [column.name for column in VIEWS.tables[view].columns]


def test_a_view_says_what_its_columns_are_and_in_which_unit(datasette):
    _, page = fetch(f"{datasette}/collector/boots")
    assert "One attempt of one machine, however many reports it sent" in page
    assert "when the machine started (Unix seconds)" in page


def test_the_file_for_datasette_says_what_the_documents_say():
    assert METADATA.read_text(encoding="utf-8") == metadata(), "run: python -m tests.docs.datasette"
    views = json.loads(metadata())["databases"]["collector"]["tables"]
    assert {name: list(view["columns"]) for name, view in views.items()} == {
        name: [column.name for column in view.columns] for name, view in VIEWS.tables.items()
    }


def test_a_question_of_the_documents_is_answered(datasette):
    sql = "SELECT+prefix,+sum(boots)+AS+boots,+sum(failed)+AS+failed+FROM+subnets_hourly+GROUP+BY+prefix"
    _, text = fetch(f"{datasette}/collector.json?sql={sql}&_shape=array")
    assert {row["prefix"] for row in json.loads(text)} > {"10.10.16.0/24", "10.20.2.0/25"}
