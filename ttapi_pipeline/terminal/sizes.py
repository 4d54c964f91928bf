# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Sizes of files in words."""

from __future__ import annotations

from rich.filesize import decimal


def size_in_words(count: int) -> str:
    """A number of bytes in the largest decimal unit of which it has one, such as ``7.3 kB``."""
    return decimal(count)
