"""No command knows two options by one name: the second would silently take the place of the first."""

from collections import Counter

import click
import pytest
from pe_collector.cli import main

CONTEXT = click.Context(main)


def commands(group, words=()):
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


@pytest.mark.parametrize(
    ("name", "command"), list(commands(main)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_option_of_a_command_has_a_name_of_its_own(name, command):
    names = Counter(option for parameter in command.params for option in parameter.opts)
    assert [option for option, count in names.items() if count > 1] == []
