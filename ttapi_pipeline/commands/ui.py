# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt ui`: starts Dagster's web UI and daemon on the instance and the data of this folder; see `defs.web_ui`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import closing
from typing import Final, NoReturn

from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.commands.project_files import WORKSPACE, ensure_home
from ttapi_pipeline.core.arguments import accepting
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.storage.databases import check_instance, dagster_home
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.store import open_store

_HOST: Final = "127.0.0.1"
_LOOKED_AT: Final = 100
"""Ports that are tried to name a free one."""


EXAMPLES: Final = {
    "tt ui": "on http://127.0.0.1:3000, until Ctrl-C",
    "tt ui --port 3001": "beside another one",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Start Dagster's web UI and daemon on 127.0.0.1. While they run, everything refreshes by itself.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--port",
        type=accepting(_port, "a number from 1 to 65535"),
        default=3000,
        metavar="N",
        help="of the web UI (default 3000)",
    )
    parser.add_argument("--json", action="store_true", help="say where it is in one line of JSON")


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise ValueError(text)
    return number


def run(settings: Settings, options: argparse.Namespace) -> NoReturn:
    """Become the web UI and the daemon, until Ctrl-C.

    Raises:
        ConfigError: The port is taken, or the folder of this user cannot be made.
        StorageError: The data folder cannot be written.
    """
    _check_port(options.port)
    folder, instance = open_folder(settings.data_dir), dagster_home()
    ensure_home(options.home, uses=[folder, instance])
    check_instance()
    open_store(folder).check_writable()
    places = {"web UI": f"http://{_HOST}:{options.port}", "data": str(folder), "instance": str(instance)}
    if options.json:
        sys.stdout.write(json.dumps({name.lower().replace(" ", "_"): place for name, place in places.items()}) + "\n")
    else:
        # The graph with its groups open: see `defs.web_graph`.
        shown = {"web UI": places["web UI"], "graph": f"{places['web UI']}/graph", **places}
        sys.stdout.write("".join(f"{name:<9} {place}\n" for name, place in shown.items()))
        sys.stdout.write("Ctrl-C ends it; the first page takes some seconds\n")
    sys.stdout.flush()
    arguments = ["--host", _HOST, "--port", str(options.port)]
    if not options.home.is_made:
        # Dagster would read the `.env` of the current folder, which is not ours.
        os.chdir(open_store(folder).local_folder or instance)
    if not (options.home.folder / WORKSPACE.name).is_file():
        arguments += ["--workspace", str(WORKSPACE)]
    os.execv(sys.executable, [sys.executable, "-m", "ttapi_pipeline.defs.web_ui", *arguments])  # noqa: S606 - ours


def _check_port(port: int) -> None:
    """Say at once what Dagster says after half a minute, in a traceback."""
    if _is_free(port):
        return
    free = next((each for each in range(port + 1, min(port + _LOOKED_AT, 65536)) if _is_free(each)), None)
    way_out = "end it" if free is None else f"end it, or take another port: `tt ui --port {free}`"
    raise ConfigError(f"another program has port {port} of {_HOST}, perhaps another `tt ui`; {way_out}")


def _is_free(port: int) -> bool:
    import socket

    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As the server does: connections that have just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
