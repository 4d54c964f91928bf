# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How long a request to an object store that does not answer is tried again.

Who looks at something wants to know at once that nobody answers. A step of a run has fetched what it is about to store,
and a store that is restarted is back within a minute: its requests go on for that long.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Patience:
    """How a request is repeated that got no answer, or one of a server that cannot just now.

    Attributes:
        times: It is repeated at most so often.
        within: Counted from the first attempt.
        first_pause: About the time until the first repetition; the later ones come after random times around it.
        longest_pause: No pause is longer.
    """

    times: int
    within: timedelta
    first_pause: timedelta
    longest_pause: timedelta


AT_ONCE: Final = Patience(4, timedelta(seconds=30), timedelta(seconds=0.1), timedelta(seconds=15))
"""Less than a second where nobody listens."""

OUTAGE: Final = Patience(100, timedelta(seconds=90), timedelta(seconds=0.5), timedelta(seconds=5))
"""A minute and a half."""

_lock = threading.Lock()
_waiting = 0


@contextmanager
def outages_outlasted() -> Iterator[None]:
    """Let the requests of this process, in any thread, outlast an outage of the store inside of the block."""
    global _waiting  # noqa: PLW0603 - of the process, as its threads share the connections
    with _lock:
        _waiting += 1
    try:
        yield
    finally:
        with _lock:
            _waiting -= 1


def patience() -> Patience:
    """What counts for a request that begins now."""
    return OUTAGE if _waiting else AT_ONCE
