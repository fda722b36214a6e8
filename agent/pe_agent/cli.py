"""The command line: reads options, calls one function, prints one result.

What only some commands need is imported in these: everything above is paid for before the first probe of each.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pe_agent import __version__, hook, settings
from pe_agent.command import run_command
from pe_agent.errors import Exit, UsageError
from pe_agent.host import this_host
from pe_agent.model import Observation, Outcome, Record
from pe_agent.probes import PROBES
from pe_agent.probing import Probing, plan_of
from pe_agent.run import run_probes
from pe_agent.sending import check_sending, trust_of, uploader_of

EXIT_CODES = """\b
Exit codes (if errorlevel N means N or more):
  0 healthy and stored   1 internal error       2 usage
 10 warning found       20 fault found         30 kept but not delivered
 40 could not even be kept"""


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit code, having said on stderr what went wrong."""
    return run_command(main, arguments, "pe-agent")


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_TARGET = _options(
    click.option("--server", help="Deployment server by name or address; otherwise the network tells."),
    click.option("--rpc-port", type=click.IntRange(1, 65535), help="WDS RPC port [5040]."),
    click.option("--config", default="", help="agent.toml to read instead of the one in the image."),
    click.option("--sysroot", help="Read firmware facts and logs below this folder."),
)
_CHOICE = _options(
    click.option("--only", multiple=True, metavar="PROBE", help="Run only this probe (repeat)."),
    click.option("--skip", multiple=True, metavar="PROBE", help="Leave this probe out (repeat)."),
    click.option("--wait-for-address", "wait_for_address_s", type=float, metavar="SECONDS"),
)
_WAYS = _options(
    click.option("--collector", multiple=True, metavar="HOST:PORT", help="Tried in order (repeat)."),
    click.option("--upload", multiple=True, metavar="HOST:PORT", help="By HTTPS when gRPC does not work (repeat)."),
    click.option("--ca", metavar="FILE", help="CA certificate the collector must have."),
    click.option("--token-file", metavar="FILE", help="Ingest token."),
    click.option("--plain", is_flag=True, default=None, help="Without TLS; loopback only."),
    click.option("--timeout", "timeout_s", type=float, metavar="SECONDS", help="Wait for the receipt [20]."),
)
_SPOOL = click.option("--spool", multiple=True, metavar="FOLDER", help="Keep reports here (repeat).")
_DELIVERY = _options(_WAYS, click.option("--no-send", is_flag=True, help="Keep the report, send nothing."), _SPOOL)
_FORMAT = click.option("--format", "form", type=click.Choice(["json", "jsonl", "text"]), default="text")
_QUIET = click.option("--quiet", is_flag=True, help="No progress on stderr.")
_COLOR = click.option("--no-color", is_flag=True)


@click.group(context_settings={"help_option_names": ["--help", "-h"]}, epilog=EXIT_CODES)
def main() -> None:
    """Find out why this machine, booted from the network, does not get its Windows."""


@main.command(epilog=EXIT_CODES)
@_TARGET
@_CHOICE
@_DELIVERY
@_FORMAT
@_QUIET
@_COLOR
def report(form: str, *, quiet: bool, no_color: bool, no_send: bool, **flags: Any) -> int:
    """Probe everything, read the logs, say what is wrong, and send it all to the collector."""
    told = settings.load(flags, os.environ, flags.pop("config"))
    host = this_host(Path(told.sysroot) if told.sysroot else None)
    watch = _silent if quiet or form != "text" else _progress
    if not no_send:
        check_sending(told)
    probing = Probing(plan_of(host, told))
    from pe_agent import carried, render, signatures  # noqa: PLC0415 - the probes are under way meanwhile
    from pe_agent.session import Run, Session, exit_code  # noqa: PLC0415

    session = Session(Run(host, told, signatures.load(), "report", watch, send=not no_send))
    session.observe(probing)
    finished = session.conclude()
    color = not no_color and sys.stdout.isatty()
    if form == "text":
        # The verdict never waits for the network.
        click.echo(render.render_text(finished, "", color=color))
    delivery = session.deliver()
    if form == "text":
        click.echo(delivery.text)
        if not delivery.stored:
            _carry(carried.encode_report(finished))
    else:
        click.echo(render.FORMATS[form](finished, delivery.text))
    return exit_code(finished, delivery, asked_to_send=not no_send)


@main.command("auto")
@_TARGET
@_CHOICE
@_DELIVERY
@click.option("--watch", "watch_s", type=float, metavar="SECONDS", help="Follow the logs this long [600].")
@click.option("--foreground", is_flag=True, help="Do not detach.")
def auto_(*, foreground: bool, no_send: bool, **flags: Any) -> int:
    """Boot hook: the same as report, in the background, live; always exits with 0."""
    hook.run_hook(flags, foreground=foreground, send=not no_send)
    return Exit.HEALTHY


@main.command("send", epilog=EXIT_CODES)
@click.argument("paths", nargs=-1, metavar="[FILE-OR-FOLDER]...")
@click.option("--usb", is_flag=True, help="What lies on volumes with the file pe-agent.usb in their root.")
@click.option("--config", default="", help="agent.toml to read instead of the one in the image.")
@_WAYS
@_SPOOL
def send_(paths: tuple[str, ...], *, usb: bool, **flags: Any) -> int:
    """Send reports that were kept, by default those in the spool folders; what is stored is deleted here."""
    from pe_agent import send, volumes  # noqa: PLC0415

    told = settings.load(flags, os.environ, flags.pop("config"))
    if not (told.collector or told.upload):
        raise UsageError("nobody to send to: name a collector with --collector or --upload")
    host = this_host()
    places = send.check_places(paths)
    if usb:
        places += tuple(volumes.report_folders(volumes.marked_volumes()))
    elif not paths:
        places = (*settings.spool_folders_of(told), *host.spool_folders())
    ways = send.Ways(host.clock(), told.collector, trust_of(told), uploader_of(told), told.timeout_s)
    outcomes = []
    for path in send.kept_reports(places):
        outcomes.append(send.send_kept(path, ways))
        click.echo(outcomes[-1].text)
    if not outcomes:
        click.echo("no kept report found")
    return Exit.HEALTHY if all(sent.stored for sent in outcomes) else Exit.NOT_DELIVERED


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_TARGET
@click.option("--wait-for-address", "wait_for_address_s", type=float, metavar="SECONDS")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def probe(names: tuple[str, ...], form: str, **flags: Any) -> int:
    """Run probes by name (all without a name) and print their answers; nothing is kept or sent."""
    from pe_agent import render  # noqa: PLC0415

    config = flags.pop("config")
    told = settings.load(flags | {"only": names}, os.environ, config)
    host = this_host(Path(told.sysroot) if told.sysroot else None)
    answers: list[Observation] = []

    def emit(record: Record) -> None:
        if isinstance(record, Observation):
            answers.append(record)
            if form == "text":
                click.echo(render.observation_line(record))

    run_probes(plan_of(host, told), PROBES, emit)
    if form == "json":
        click.echo(render.render_observations_json(answers))
    return max((_PROBE_EXIT[answer.outcome] for answer in answers), default=Exit.HEALTHY)


_PROBE_EXIT = {
    Outcome.OK: Exit.HEALTHY,
    Outcome.SKIPPED: Exit.HEALTHY,
    Outcome.WARNING: Exit.WARNING,
    Outcome.FAILED: Exit.FAULT,
    Outcome.CRASHED: Exit.FAULT,
}


@main.command("explain")
@click.argument("what", nargs=-1, required=True, metavar="FILE-FOLDER-ZIP-OR-CODE...")
@click.option("--records", is_flag=True, help="Print every record instead of the judgement, secrets and all.")
@click.option("--format", "form", type=click.Choice(["text", "json", "jsonl"]), default="text")
def explain_(what: tuple[str, ...], form: str, *, records: bool) -> int:
    """Judge log files, folders and zip archives, or explain an error code; works offline."""
    from pe_agent import explain, render, signatures  # noqa: PLC0415

    table = signatures.load()
    if records:
        for name, record in explain.read_records(what):
            click.echo(render.render_record(record, name))
        return Exit.HEALTHY
    codes = [word for word in what if explain.looks_like_code(word) and not Path(word).exists()]
    for word in codes:
        click.echo(render.render_code(explain.explain_code(word), form))
    paths = [word for word in what if word not in codes]
    if paths:
        explanation = explain.explain_paths(paths, table)
        click.echo(render.render_explanation(explanation, form))
    return Exit.HEALTHY


def _status(config: str, spool: tuple[str, ...], form: str) -> int:
    """What the latest run on this machine has found out, also while it goes on."""
    from pe_agent import journal  # noqa: PLC0415

    told = settings.load({"spool": spool}, os.environ, config)
    host = this_host(Path(told.sysroot) if told.sysroot else None)
    state = journal.read_state((*settings.spool_folders_of(told), *host.spool_folders()))
    if form == "json":
        click.echo(json.dumps(state["report"], indent=2))
    else:
        click.echo(state["text"] if state["finished"] else f"Still at work. So far:\n{state['text']}")
        if state.get("carried"):
            _carry(state["carried"])
    return Exit.HEALTHY


def _carry(code: str) -> None:
    """What a phone can take away of a report that is not stored; the picture only where somebody looks."""
    from pe_agent import render  # noqa: PLC0415

    encoding = sys.stdout.encoding if sys.stdout.isatty() else ""
    for line in render.undelivered_lines(code, encoding):
        click.echo(line)


for _name in ("status", "last"):
    main.command(_name, help=_status.__doc__)(
        _options(
            click.option("--config", default=""),
            click.option("--spool", multiple=True, metavar="FOLDER", help="Look here too (repeat)."),
            click.option("--format", "form", type=click.Choice(["text", "json"]), default="text"),
        )(_status)
    )


@main.command()
@click.argument("text", nargs=-1, required=True)
@_FORMAT
def decode(text: tuple[str, ...], form: str) -> int:
    """Show the report in the code that an undelivered report leaves on the screen."""
    from pe_agent import carried, render  # noqa: PLC0415

    click.echo(render.FORMATS[form](carried.decode_report("".join(text)), ""))
    return Exit.HEALTHY


@main.command("list-probes")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def list_probes(form: str) -> None:
    """Say which probes there are and what each one asks."""
    from pe_agent import render  # noqa: PLC0415

    click.echo(render.render_probe_list([(p.name, p.question, p.deadline_s) for p in PROBES], form))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"pe-agent {__version__}")


def _silent(_: Record) -> None:
    return


def _progress(record: Record) -> None:
    if isinstance(record, Observation):
        from pe_agent import render  # noqa: PLC0415

        click.echo(render.observation_line(record), err=True)
