# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The known words that are nearest to one that is not known, for messages about what somebody has mistyped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str], *, most: int = 1) -> Sequence[str]:
    """At most that many of the known words, the nearest first; none where no word is near.

    Letter case, and the signs that separate parts of a name, count for nothing: ``BRKB`` is ``BRK/B``.
    """
    by_letters: dict[str, list[str]] = {}
    for each in known:
        by_letters.setdefault(_letters(each), []).append(each)
    wanted = _letters(word)
    if wanted in by_letters:
        return by_letters[wanted][:most]
    near = get_close_matches(wanted, by_letters, n=most, cutoff=0.5 if len(wanted) < 5 else 0.6)
    return [each for letters in near for each in by_letters[letters]][:most]


def did_you_mean(word: str, known: Iterable[str], *, most: int = 1) -> str:
    """`` (did you mean quotes?)`` for a sentence to go on with; empty where no known word is near."""
    near = nearest(word, known, most=most)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def unknown_word(what: str, word: str, known: Iterable[str]) -> str:
    """``there is no dataset 'quote' (did you mean quotes?); there are ...``"""
    words = list(known)
    return f"there is no {what} {word!r}{did_you_mean(word, words)}; there are {', '.join(words)}"


def _letters(word: str) -> str:
    return "".join(filter(str.isalnum, word)).lower()
