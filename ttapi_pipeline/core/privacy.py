# SPDX-License-Identifier: MIT
"""Account numbers as they are shown where others may look: in errors, logs, events and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ACCOUNT_NUMBER: Final = "account_number"
"""Name of the columns that hold one."""

_SHOWN: Final = 3


def masked(number: object) -> str:
    """The last characters of an account number: enough for the owner to know which it is."""
    text = str(number)
    return f"…{text[-_SHOWN:]}" if len(text) > _SHOWN else "…"


def masked_subjects(missing: Mapping[str, str]) -> dict[str, str]:
    """The same reasons by masked account number; a number tells those apart that look the same."""
    shown: dict[str, str] = {}
    for number, reason in sorted(missing.items()):
        name = masked(number)
        shown[name if name not in shown else f"{name} ({len(shown) + 1})"] = reason.replace(number, name)
    return shown
