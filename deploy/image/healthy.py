# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Ends with 0 where a server answers: `healthy.py grpc://127.0.0.1:4000`, `healthy.py http://127.0.0.1:3000/`.

Containers are asked this every half minute. `dagster api grpc-health-check` asks the same, and takes seconds of a core
to import Dagster first.
"""

from __future__ import annotations

import sys
import urllib.request

_SECONDS = 8


def complaint(url: str) -> str | None:
    """What is wrong with a server; None if it answers as a healthy one does."""
    if not url.startswith("grpc://"):
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - of a container's own definition
                return None if answer.status < 400 else f"status {answer.status}"
        except OSError as error:
            return str(error)
    import grpc  # noqa: PLC0415 - a web server is asked without it
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    with grpc.insecure_channel(url.removeprefix("grpc://")) as channel:
        request = health_pb2.HealthCheckRequest(service="DagsterApi")
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_SECONDS)
        except grpc.RpcError as error:
            return str(error.code())
    return None if answer.status == health_pb2.HealthCheckResponse.SERVING else f"status {answer.status}"


if __name__ == "__main__":
    sys.exit(complaint(sys.argv[1]))
