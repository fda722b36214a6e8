"""How does a command end? Every failure a user can meet becomes a line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from pe_agent.errors import Exit, PeError
from pe_agent.words import clean


def run_command(main: click.Command, arguments: Sequence[str], program: str) -> int:
    """Run one command of a program; returns the exit code, having said on stderr what went wrong."""
    try:
        answer = main.main(args=list(arguments), prog_name=program, standalone_mode=False)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.ClickException as exc:
        exc.show()
        return Exit.USAGE
    except click.Abort:
        click.echo("stopped", err=True)
        return Exit.INTERNAL
    except PeError as exc:
        click.echo(f"{program}: {clean(str(exc))}", err=True)
        return exc.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.HEALTHY
    return answer if isinstance(answer, int) else Exit.HEALTHY
