# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Instants, and versions of a dataset, as they are typed on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Final

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.storage.versions.reading import Version, known_at

ACCEPTED: Final = "2026-11-24 (to its end), 2026-11-24T16:00 (both in New York), or with a zone: 2026-11-24T21:00Z"
"""What `instant` accepts, in words."""

HELP: Final = ACCEPTED.replace(", ", ",\n  ")
"""The same in lines for a help."""

_LEAST_LETTERS: Final = 4


def instant(text: str) -> datetime:
    """The instant that a text names; see ACCEPTED. Without a zone it is in the time of the exchange.

    Raises:
        ValueError: It names none.
    """
    if len(text) == len("2026-11-24"):
        return datetime.combine(date.fromisoformat(text), time.max, NEW_YORK)
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=NEW_YORK)


def chosen_version(known: Sequence[Version], dataset: str, text: str) -> Version:
    """The version that a text names: by an instant, or by the beginning of its id, as `tt history` shows it.

    Raises:
        ConfigError: It names none, or several; or nothing was known at that instant.
    """
    if len(text) >= _LEAST_LETTERS and set(text) <= set("0123456789abcdef"):
        found = [each for each in known if each.manifest.write_id.startswith(text)]
        if len(found) == 1:
            return found[0]
        number = f"{len(found)} versions begin" if found else "no version begins"
        raise ConfigError(f"{number} with {text!r}; `tt history {dataset}` lists them")
    try:
        at = instant(text)
    except ValueError:
        raise ConfigError(
            f"{text!r} is no instant; it can be {ACCEPTED}; or the beginning of a version's id, see "
            f"`tt history {dataset}`"
        ) from None
    return known_at(known, dataset, at)
