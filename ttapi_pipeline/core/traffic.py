# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The health of the API during a run, for a screen: counts of requests and the circuit breakers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests of a run so far.

    Attributes:
        requests: Sent, with repetitions and token grants.
        in_flight: Sent and not answered yet.
        retries: Repetitions among the requests.
        throttled: Answers with status 429.
        breakers: State by endpoint family of each circuit breaker that was used or found open.
    """

    requests: int = 0
    in_flight: int = 0
    retries: int = 0
    throttled: int = 0
    breakers: Mapping[str, str] = field(default_factory=dict)
