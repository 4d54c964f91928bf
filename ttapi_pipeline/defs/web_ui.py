# SPDX-License-Identifier: MIT
"""Dagster's web UI behind a check of who asks: ``python -m ttapi_pipeline.defs.web_ui``, as `make ui` runs it.

Dagster's web server answers everybody who reaches it, under any name, and executes what a page of another site has a
browser ask for: a run, a deletion. The check refuses both (see `web_guard`). Whatever runs on this machine, and whoever
may forward a port to it, still has all that the web UI can do.
"""

import sys
from typing import Any

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.core.signals import ending_signals
from ttapi_pipeline.defs.dagster_internals import run_dev_server
from ttapi_pipeline.defs.operations.instance_errors import instance_errors
from ttapi_pipeline.defs.web_guard import Guard
from ttapi_pipeline.storage.databases import dagster_home, mend_databases


def main() -> None:
    """`dagster dev` with its arguments; ``--server`` as the first one is the web server that it starts."""
    if sys.argv[1:2] == ["--server"]:
        del sys.argv[1]
        _run_web_server()
        return
    home = dagster_home()
    # Dagster does not notice the end of its terminal, and what it started would stay.
    with ending_signals(is_process_ending=True):
        try:
            for mended in mend_databases(home):
                _say(mended)
            with instance_errors(home):
                run_dev_server([sys.executable, "-m", "ttapi_pipeline.defs.web_ui", "--server"])
        except TTError as error:
            _say(f"error: {error}")
            sys.exit(4)


def _say(sentence: str) -> None:
    sys.stderr.write(f"{one_line(sentence)}\n")


def _run_web_server() -> None:
    # Only the web server needs them.
    from dagster_webserver import cli  # noqa: PLC0415
    from dagster_webserver.webserver import DagsterWebserver  # noqa: PLC0415
    from starlette.middleware import Middleware  # noqa: PLC0415

    # The server builds its application itself, and has no setting for a middleware.
    server: Any = DagsterWebserver
    build = server.build_middleware
    server.build_middleware = lambda self: [Middleware(Guard), *build(self)]
    run: Any = cli.main
    run()


if __name__ == "__main__":
    main()
