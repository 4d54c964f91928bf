# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt init`: makes a folder one of ours and says what to do next. What is put there: see `project_files`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser, typed_path
from ttapi_pipeline.commands.project_files import Made, make_project
from ttapi_pipeline.core.arguments import accepting
from ttapi_pipeline.core.places import MARKER

_ABOUT = {
    ".env": "settings, readable by you alone",
    "dagster.yaml": "the Dagster instance, telemetry off",
    "workspace.yaml": "what the web UI loads",
    "README.md": "what is here",
    ".gitignore": "keeps both out of git",
    MARKER: "marks the folder as ours",
}


EXAMPLES: Final = {
    "tt init ~/options": "settings, data and Dagster instance in a folder of their own",
    "tt init": "in the current folder",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Set up a folder for settings, data and Dagster instance. Nothing that is there is replaced.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "folder", nargs="?", type=accepting(typed_path, "a path"), metavar="DIR", help="by default the current one"
    )
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def run(options: argparse.Namespace) -> int:
    """Make the folder, and say what was done and what comes next.

    Raises:
        ConfigError: Files are in the way, or the folder cannot be written; nothing is replaced.
        StorageError: Its data folder has files in the places of datasets that are not ours.
    """
    folder: Path = (options.folder or typed_path(".")).resolve()
    done = make_project(folder)
    if options.json:
        document = {"folder": str(folder), "made": list(map(str, done.made)), "kept": list(map(str, done.kept))}
        print_json(document)
        return OK
    sys.stdout.write(_report(folder, done))
    return OK


def _report(folder: Path, done: Made) -> str:
    if not done.made:
        return f"{folder} is set up already; nothing was written. `tt where` says what it has.\n"
    lines = [f"{folder} is set up:"]
    lines += [f"  made  {path.name:<16} {_ABOUT[path.name]}" for path in done.made]
    lines += [f"  kept  {path.name:<16} as it was" for path in done.kept]
    return "\n".join([*lines, "", "Next:", *_next(folder), ""])


def _next(folder: Path) -> list[str]:
    return [
        *([] if folder == Path.cwd() else [f"  cd {folder}"]),
        "  tt refresh   fill every dataset, from the simulator",
        "  tt ui        web UI and daemon, which keep all fresh",
        "",
        "For your account: TT_CLIENT_SECRET and TT_REFRESH_TOKEN in",
        f"  {folder / '.env'}",
    ]
