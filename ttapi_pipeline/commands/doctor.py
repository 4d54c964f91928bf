# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt doctor`: prints whether settings, storage, connections and clock are well. They are examined in `examination`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.commands.exit_codes import FAILED, OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ttapi_pipeline.commands.examination import Finding

EXAMPLES: Final = {
    "tt doctor": "a line per finding; a bad one says what to do",
    "tt doctor --repair": "mend tables, databases of runs and permissions",
    "tt doctor --json": "the same for a program",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Examine settings, storage, connections and clock, and say what to do. Nothing is created.", examples=EXAMPLES
    )
    parser.add_argument("--json", action="store_true", help="print the findings as a JSON object")
    parser.add_argument("--repair", action="store_true", help="mend what the stored Parquet files allow to mend")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print a line per finding; 0 when every one of them is good, else 4.

    Raises:
        TTError: No simulator could be started.
    """
    import asyncio

    from ttapi_pipeline.commands.alert_examination import examine_alerts
    from ttapi_pipeline.commands.examination import examine
    from ttapi_pipeline.commands.history_examination import examine_history
    from ttapi_pipeline.commands.permission_examination import examine_permissions
    from ttapi_pipeline.commands.run_examination import examine_runs
    from ttapi_pipeline.terminal.console import SafeConsole

    findings = [
        *asyncio.run(examine(settings, is_repairing=options.repair, has_instance=not options.home.is_to_be_made)),
        *_found("history", examine_history(settings)),
        *_found("runs", examine_runs(is_repairing=options.repair)),
        *_found("permissions", examine_permissions(settings, is_repairing=options.repair, dotenv=options.home.dotenv)),
        *_found("alerts", examine_alerts(settings)),
    ]
    is_good = all(finding.is_good for finding in findings)
    if options.json:
        print_json({"is_good": is_good, "findings": [asdict(finding) for finding in findings]})
        return OK if is_good else FAILED
    console = SafeConsole()
    for finding in findings:
        style = "green" if finding.is_good else "red"
        console.print(f"[{style}]{'ok  ' if finding.is_good else 'bad '}[/] ", end="")
        console.print(one_line(f"{finding.subject}: {finding.text}"), markup=False, soft_wrap=True)
    return OK if is_good else FAILED


def _found(subject: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, the last of which is that this user may not look further."""
    from ttapi_pipeline.commands.examination import Finding

    try:
        yield from findings
    except PermissionError as error:
        text = f"{error.filename}: {error.strerror}; give this user the right to read there"
        yield Finding(subject, text, is_good=False)
