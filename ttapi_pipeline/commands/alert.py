# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt alert`: looks once and tells the destinations of alerts what is news; `--test` tells them that this is a test.

What is told: see `alerts`. While the daemon runs, its sensor does the same.
"""

from __future__ import annotations

import argparse
import socket
import sys
from functools import partial
from typing import Final

from ttapi_pipeline.alerts.delivery import destinations, send
from ttapi_pipeline.alerts.look import Lookout
from ttapi_pipeline.alerts.wording import trial_message
from ttapi_pipeline.commands.exit_codes import FAILED, INCOMPLETE, OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.commands.unwatched import seen_in_runs
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import MissingEnvVarError
from ttapi_pipeline.core.settings import Settings

EXAMPLES: Final = {
    "tt alert --test": "send a test message to every destination, and say what came back",
    "tt alert": "for a timer, where no daemon runs",
    "tt alert --json": "the same for a program",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Look once, and tell TT_ALERT_URLS what has become wrong and what is well again.\n"
        "The daemon of `tt ui` does the same twice a minute.",
        examples=EXAMPLES,
        notes="Exit codes: 0 everything was accepted, 3 not all of it, and the next look\n"
        "tries it again, 4 failed, 2 TT_ALERT_URLS is not set.",
    )
    parser.add_argument("--test", action="store_true", help="send a test message to each destination instead")
    parser.add_argument("--json", action="store_true", help="print what was done as a JSON object")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Look, or send the test, and say what came of it.

    Raises:
        ConfigError: TT_ALERT_URLS is not set, or the package that sends is not installed.
        StorageError: The data folder, or Dagster's records, cannot be read.
    """
    if not settings.alert_urls:
        raise MissingEnvVarError(
            "TT_ALERT_URLS",
            "it names who is told: URLs of Apprise between spaces, such as json://host/path (a webhook) or "
            "mailtos://user:password@host (mail); `tt alert --test` then tries them",
        )
    return _test(settings, is_json=options.json) if options.test else _look(settings, is_json=options.json)


def _test(settings: Settings, *, is_json: bool) -> int:
    message = trial_message(machine=socket.gethostname())
    answers = {place.name: send(place, message) for place in destinations(settings.alert_urls)}
    if is_json:
        document = {name: {"is_accepted": failure is None, "failure": failure} for name, failure in answers.items()}
        print_json({"destinations": document})
    else:
        sys.stdout.writelines(
            f"{name}: {failure or 'accepted the test message'}\n" for name, failure in answers.items()
        )
    return FAILED if any(answers.values()) else OK


def _look(settings: Settings, *, is_json: bool) -> int:
    now = SYSTEM_CLOCK.now()
    looked = Lookout(settings).look(partial(seen_in_runs, settings, now=now), now=now)
    if is_json:
        document = {
            "not_well": {each.subject: {"kind": each.kind, "sentence": each.sentence} for each in looked.troubles},
            "told": [] if looked.notice is None else [each.subject for each in looked.notice.begun],
            "told_recovered": [] if looked.notice is None else [each.subject for each in looked.notice.recovered],
            "not_accepted_by": looked.pending,
        }
        print_json(document)
    else:
        sys.stdout.write(f"{looked}\n")
    return INCOMPLETE if looked.pending else OK
