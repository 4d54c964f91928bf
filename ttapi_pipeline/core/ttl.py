# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How durations are written: in settings, in the status grid and in reasons."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

ACCEPTED_DURATION: Final = "a positive number of seconds, or a number with s, m, h, d or w, such as 90, 5m, 12h, 7d"

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Read ``90``, ``5m``, ``12h``, ``7d``: seconds unless a unit says otherwise.

    Raises:
        ValueError: The text is not a duration, is not positive or is longer than a timedelta holds.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a duration")
    try:
        duration = timedelta(seconds=float(match[1]) * _SECONDS[match[2] or "s"])
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long a duration") from error
    if duration <= timedelta(0):
        raise ValueError(f"{text!r} is not a positive duration")
    return duration


def format_duration(duration: timedelta) -> str:
    """Write a duration with its two largest units: ``6d 4h``, ``12h``, ``59m 3s``, ``0s``."""
    seconds = int(duration.total_seconds())
    if seconds < 0:
        return f"-{format_duration(-duration)}"
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0s"
