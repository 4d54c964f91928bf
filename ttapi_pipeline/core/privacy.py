# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Account numbers and tokens where others may look: in errors, logs, events and metadata."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

ACCOUNT_NUMBER: Final = "account_number"
"""Name of the columns that hold one."""

STRUCK_OUT: Final = "***"
"""In the place of a secret."""

_SHOWN: Final = 3

# As long as tokens, secrets and their parts are. Whether it has a digit is looked at afterwards: a pattern that looks
# ahead for one takes the square of the time.
_LONG_WORD: Final = re.compile(r"[\w.~+=-]{24,}", re.ASCII)
_DIGIT: Final = re.compile(r"\d", re.ASCII)
# 5WT12345: a digit, and then capitals and digits, of which four or more are digits.
_ACCOUNT: Final = re.compile(r"(?<![\w.-])(?=\d*[A-Z])(?=(?:[A-Z]*\d){4})\d[A-Z0-9]{7,9}(?![\w.-])", re.ASCII)


def without_tokens(text: str) -> str:
    """A server's message with what looks like a token or an account number struck out.

    What a client has said it knows, and strikes out by itself. A server knows more: what it has given to others.
    """
    text = _LONG_WORD.sub(lambda word: STRUCK_OUT if _DIGIT.search(word[0]) else word[0], text)
    return _ACCOUNT.sub(STRUCK_OUT, text)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """A text of another library's with these secrets struck out. Our own errors hold none."""
    for secret in filter(None, secrets):
        text = text.replace(secret, STRUCK_OUT)
    return text


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
