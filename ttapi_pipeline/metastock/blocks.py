# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads a text file of any size in blocks of whole lines, so that memory does not grow with it.

What the lines mean is found in `sniff`, `scan` and `careful`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.core.plain_files import open_plain
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.file_sizes import size_of
from ttapi_pipeline.metastock.text import utf_16

_CUT_CHARACTERS: Final = 200
"""What is kept of a line that is too long: enough to tell which one it was."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole lines of a file, blank ones too.

    Attributes:
        first_line: The number of the first one; the file begins with line 1.
        lines: Without their ends.
        too_long: The numbers of those that were longer than LINE_CHARACTERS; only their beginning is there.
    """

    first_line: int
    lines: list[str]
    too_long: frozenset[int] = frozenset()

    def filled(self) -> Iterator[tuple[int, str]]:
        """Number and text of each line that is not blank."""
        return ((number, line) for number, line in enumerate(self.lines, start=self.first_line) if line.strip())


class TextFile:
    """A text file, open until the end of the block: another file of its name is not mixed with it.

    Args:
        path: The file.
        code_page: Encoding of a file that is not Unicode.

    Raises:
        InvalidFormatError: It is no text, or too large.
        OSError: It cannot be read, here and in every method.
    """

    def __init__(self, path: Path, *, code_page: str) -> None:
        self._file: Final = open_plain(path)
        try:
            self._size: Final = size_of(self._file)
            head = self._file.read(limits.HEAD_BYTES)
            self._encoding: Final = self._encoding_by(head, code_page)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _encoding_by(self, head: bytes, code_page: str) -> str:
        wide = utf_16(head)
        if wide is not None:
            return wide
        return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) or self._is_utf8() else code_page

    def blocks(self) -> Iterator[Block]:
        """All lines; a Ctrl-Z at the end of the file, a DOS habit, is dropped. Lines end with LF, CRLF or CR.

        Raises:
            InvalidFormatError: There are so many line ends that the lines are no rows.
            OSError: The file cannot be read.
        """
        number, carried, is_skipping = 1, "", False
        for text, is_last in self._texts():
            if text.count("\n") > limits.BLOCK_LINE_ENDS:
                raise InvalidFormatError(
                    f"more than {limits.BLOCK_LINE_ENDS:,} of {len(text):,} characters are line ends;"
                    " take out the blank lines"
                )
            whole, end, rest = (carried + text).rpartition("\n")
            lines = whole.split("\n") if end else []
            if is_last:
                lines.append(rest.rstrip("\x1a"))
                rest = ""
            too_long = [at for at, line in enumerate(lines) if len(line) > limits.LINE_CHARACTERS]
            if is_skipping and lines:
                too_long = [0, *too_long] if 0 not in too_long else too_long
            for at in too_long:
                lines[at] = lines[at][:_CUT_CHARACTERS]
            if lines:
                yield Block(number, lines, frozenset(number + at for at in too_long))
                number, is_skipping = number + len(lines), False
            if len(rest) > limits.LINE_CHARACTERS or is_skipping:
                is_skipping, rest = True, rest[:_CUT_CHARACTERS]
            carried = rest

    def _texts(self) -> Iterator[tuple[str, bool]]:
        """Pieces of text with LF as the end of lines, and whether each is the last one."""
        decoder = codecs.getincrementaldecoder(self._encoding)(errors="replace")
        held = ""
        for content in self._contents():
            text = held + decoder.decode(content)
            # The other half of a CRLF may come with the next piece.
            held = "\r" if text.endswith("\r") else ""
            yield _with_line_feeds(text[: len(text) - len(held)]), False
        yield _with_line_feeds(held + decoder.decode(b"", final=True)), True

    def _is_utf8(self) -> bool:
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for content in self._contents():
                decoder.decode(content)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True

    def _contents(self) -> Iterator[bytes]:
        """The file's bytes from its beginning, as many as it had when it was opened: it may go on growing."""
        self._file.seek(0)
        left = self._size
        while left > 0 and (content := self._file.read(min(left, limits.TEXT_BLOCK_BYTES))):
            yield content
            left -= len(content)


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
