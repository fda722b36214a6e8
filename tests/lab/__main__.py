"""Play the story and say in plain words what happens: `python -m tests.lab --once` or `--stay`."""

from __future__ import annotations

import argparse
import json
import sys
import time

from .conditions import why_not
from .places import LabError
from .story import INGEST, Outcome, StoryError, play, stage
from .topology import Laboratory

# sysexits.h: EX_TEMPFAIL. The caller may show something that needs no laboratory instead.
NOT_POSSIBLE = 75


def main() -> int:
    """Play it; 0 when the cause was found, 1 when it was not, 75 when the story cannot be played here."""
    options = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    options.add_argument("--clients", type=int, default=6, metavar="N", help="machines in each network [6]")
    ending = options.add_mutually_exclusive_group()
    ending.add_argument(
        "--once", action="store_true", help="play, print the patterns as JSON last, and clean up (the default)"
    )
    ending.add_argument("--stay", action="store_true", help="keep the laboratory running until Ctrl+C")
    told = options.parse_args()
    reason = why_not()
    if reason:
        say(f"The laboratory falls back: {reason}.")
        return NOT_POSSIBLE
    try:
        return _play(told.clients, stay=told.stay)
    except LabError as exc:
        say(f"The laboratory falls back: {exc}")
        return NOT_POSSIBLE
    except StoryError as exc:
        say(f"The story breaks off: {exc}")
        return 1
    except KeyboardInterrupt:
        return 0


def say(line: str) -> None:
    """Print at once and in ASCII, whatever the programs answered."""
    print(line.encode("ascii", "replace").decode(), flush=True)


def _play(clients: int, *, stay: bool) -> int:
    with stage(clients, say) as (lab, collector):
        outcome = play(lab, collector, say)
        _tell(outcome)
        if not stay:
            say(json.dumps(outcome.patterns))
        else:
            _stay(lab, str(collector.folder))
    return 0 if _found(outcome) else 1


def _tell(outcome: Outcome) -> None:
    say("\nThe screen of machine a1:\n")
    say(outcome.screen)
    say("What the collector says about all of them (pe-collector patterns):\n")
    say(outcome.patterns_text)


def _found(outcome: Outcome) -> bool:
    mistakes = outcome.mistakes()
    for mistake in mistakes:
        # Standard output ends with the patterns as JSON.
        print(f"The collector is wrong: {mistake}", file=sys.stderr)
    return not mistakes


def _stay(lab: Laboratory, data: str) -> None:
    say(f"The laboratory stays up until Ctrl+C. Collector data: {data}, ingest {INGEST}.")
    for boot in lab.boots.values():
        say(f"  {boot.client.name}: {' '.join(boot.place.command('bash'))}")
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
