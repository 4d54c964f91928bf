# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Dagster's web UI behind a check of who asks: ``python -m ttapi_pipeline.defs.web_ui``, as `tt ui` runs it.

Dagster's web server answers everybody who reaches it, under any name, and executes what a page of another site has a
browser ask for: a run, a deletion. The check refuses both (see `web_guard`). Whatever runs on this machine, and whoever
may forward a port to it, still has all that the web UI can do.
"""

import os
import sys

from ttapi_pipeline.core.errors import ConfigError, TTError
from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.core.signals import ending_signals
from ttapi_pipeline.defs.dagster_internals import run_dev_server, write_logs_without_colours
from ttapi_pipeline.defs.operations.instance_errors import instance_errors, open_instance
from ttapi_pipeline.storage.databases import check_databases, dagster_home, mend_databases

_ENDED = "the web UI and its daemon have ended; runs that were under way are cancelled, and stored data is whole"


def main() -> None:
    """`dagster dev` with its arguments; ``--server PID`` or ``--daemon PID`` before them is one of its services."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        write_logs_without_colours()
    if sys.argv[1:2] in (["--server"], ["--daemon"]):
        _, service, parent, *arguments = sys.argv
        sys.argv[1:] = arguments
        _run_service(service, int(parent))
        return
    home = dagster_home()
    # Dagster does not notice the end of its terminal, and what it started would stay.
    with ending_signals(is_process_ending=True):
        try:
            for mended in mend_databases(home):
                _say(mended)
            open_instance(home).dispose()
            with instance_errors(home):
                # Its services would say it again and again, each in the words of its libraries.
                check_databases(home)
                run_dev_server(_command("--server"), _command("--daemon"))
            _say(_ENDED)
        except TTError as error:
            _say(f"error: {error}")
            sys.exit(2 if isinstance(error, ConfigError) else 4)


def _command(service: str) -> list[str]:
    return [sys.executable, "-m", "ttapi_pipeline.defs.web_ui", service, str(os.getpid())]


def _run_service(service: str, parent: int) -> None:
    # Each is imported by its own process alone.
    from ttapi_pipeline.defs import ui_services  # noqa: PLC0415

    run = ui_services.run_web_server if service == "--server" else ui_services.run_daemon
    run(parent)


def _say(sentence: str) -> None:
    sys.stderr.write(f"{one_line(sentence)}\n")


if __name__ == "__main__":
    main()
