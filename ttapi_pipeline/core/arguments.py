# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Types of command-line arguments for argparse, which would name a function of ours in its message otherwise."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def accepting(parse: Callable[[str], T], accepts: str) -> Callable[[str], T]:
    """The same parser, for argparse: a value that it refuses is named, with what it accepts.

    Args:
        parse: Text to value; raises ValueError.
        accepts: What it accepts, in words that go on from "it accepts".
    """

    def typed(text: str) -> T:
        try:
            return parse(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}; it accepts {accepts}") from None

    return typed
