# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""From a file's bytes to text, to lines, to the values of a line. What the values mean is found in `sniff`."""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from typing import Final

from ttapi_pipeline.core.errors import InvalidFormatError

_SPACE: Final = re.compile(r"\s")


def decode(content: bytes, *, code_page: str) -> tuple[str, bool]:
    """Turn bytes into text, and say whether Polars could have read the bytes as they are.

    A BOM decides. UTF-16 without a BOM is known by its zero bytes. Otherwise UTF-8 is tried, then the code page; a byte
    that means nothing there becomes U+FFFD.

    Raises:
        InvalidFormatError: The bytes are not text.
    """
    wide = utf_16(content)
    if wide is not None:
        return content.decode(wide, errors="replace"), False
    try:
        return content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        if content.startswith(BOM_UTF8):
            return content.decode("utf-8-sig", errors="replace"), False
        return content.decode(code_page, errors="replace"), False


def utf_16(head: bytes) -> str | None:
    """The name of the encoding of a text that begins so and has two bytes a letter; None for one of single bytes.

    Raises:
        InvalidFormatError: The bytes are not text.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head and not _begins_as_text(head):
        half = max(1, len(head) // 2)
        for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
            # Digits, commas and Latin letters have one zero byte each; the tenth leaves room for other letters.
            if zeros.count(0) > 0.9 * half:
                return encoding
        raise InvalidFormatError("it holds zero bytes, so it is a binary file and no text")
    return None


def _begins_as_text(head: bytes) -> bool:
    """Whether zeros come after a line of text only: a crash leaves them where the end of a file was to be written."""
    before = head[: head.index(0)]
    return b"\n" in before and min(before.translate(None, b"\t\r\n"), default=0) >= ord(" ")


def split_lines(text: str) -> list[str]:
    """Cut text at LF, CRLF or CR. A Ctrl-Z at the end of the file, a DOS habit, is dropped."""
    return text.rstrip("\x1a").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def split_row(row: str, delimiter: str) -> list[str]:
    """Cut one line into values without surrounding space. Double quotes in pairs may hold a delimiter."""
    # A quote without another one belongs to its value: it must not swallow the values behind it.
    if '"' in row and row.count('"') % 2 == 0:
        try:
            return [value.strip() for value in next(csv.reader([row], delimiter=delimiter, skipinitialspace=True), [])]
        except csv.Error:
            pass
    if delimiter == " ":
        return row.split()
    values = row.split(delimiter)
    # Most rows have no space, and to ask once is faster than to strip every value.
    return [value.strip() for value in values] if _SPACE.search(row) else values
