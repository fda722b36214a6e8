"""A file that is no database any more is told in one line, by whatever command meets it."""

import os

import pytest
from pe_collector import cli, store

COMMANDS = ("machines", "subnets", "patterns", "why 1", "show X", "tokens list", "changes list", "prune", "export")


@pytest.mark.parametrize("command", COMMANDS)
def test_one_line_says_what_and_what_to_do(tmp_path, command, capsys):
    database = store.create(tmp_path)
    database.write_bytes(os.urandom(100_000))
    assert cli.run([*command.split(), "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("pe-collector: the database gives no answer: file is not a database; ")
    assert "`pe-collector doctor`" in said
    assert said.count("\n") == 1
