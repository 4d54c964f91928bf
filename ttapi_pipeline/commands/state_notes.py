# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What the commands read of the state beside the data: circuit breakers, and failures of runs.

Read as plain JSON: importing the client and Dagster, which write it, takes longer than all the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.seals import unsealed_document
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.shared_state import state_file
from ttapi_pipeline.storage.places import shared_state


def breaker_states(settings: Settings) -> Mapping[str, str]:
    """The state of each remembered circuit breaker of the server of the settings, by endpoint family.

    Empty where nothing has failed yet, and where the file cannot be read, such as while another process writes it.
    """
    if settings.api_url is None:
        return {}
    try:
        content = state_file(shared_state(settings), "breakers.json").read()
        if content is None:
            return {}
        states = unsealed_document(content, by="state 1")["servers"].get(settings.api_url, {})
        return {family: str(each["state"]) for family, each in states.items()}
    except (OSError, TTError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def last_failures(settings: Settings) -> Mapping[str, datetime]:
    """When the last failure of each step was noted, aware UTC; the daemon notes them. Lines that are damaged are left.

    Raises:
        StorageError: The object store cannot be read.
    """
    try:
        content = state_file(shared_state(settings), "failures.jsonl").read()
    except OSError:
        content = None
    found: dict[str, datetime] = {}
    for line in (content or b"").decode(errors="replace").splitlines():
        try:
            told = json.loads(line)
            found[str(told["dataset"])] = datetime.fromisoformat(told["at"]).astimezone(UTC)
        except (ValueError, KeyError, TypeError):
            continue
    return found
