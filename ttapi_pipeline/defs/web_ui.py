# SPDX-License-Identifier: MIT
"""Dagster's web UI behind a check of who asks: ``python -m ttapi_pipeline.defs.web_ui``, as `make ui` runs it.

Dagster's web server answers everybody who reaches it, under any name, and executes what a page of another site has a
browser ask for: a run, a deletion. The check refuses both (see `web_guard`). Whatever runs on this machine, and whoever
may forward a port to it, still has all that the web UI can do.
"""

import sys
from typing import Any

from ttapi_pipeline.defs.dagster_internals import run_dev_server
from ttapi_pipeline.defs.web_guard import Guard


def main() -> None:
    """`dagster dev` with its arguments; ``--server`` as the first one is the web server that it starts."""
    if sys.argv[1:2] == ["--server"]:
        del sys.argv[1]
        _run_web_server()
    else:
        run_dev_server([sys.executable, "-m", "ttapi_pipeline.defs.web_ui", "--server"])


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
