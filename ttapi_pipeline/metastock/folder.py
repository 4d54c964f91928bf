# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The files below a MetaStock folder at one moment: what identifies each, and what it looks like.

Which of them have been read before is found in `known_files`; how the folder is listed, in `fingerprint`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.core.plain_files import open_plain
from ttapi_pipeline.metastock.candidates import Candidate, look_at
from ttapi_pipeline.metastock.file_cache import IDENTITY
from ttapi_pipeline.metastock.file_sizes import size_of
from ttapi_pipeline.metastock.fingerprint import FileFact, list_files, printable
from ttapi_pipeline.metastock.indexes import Indexes
from ttapi_pipeline.metastock.options import ImportOptions


class Folder:
    """The files below a folder, by name. A file's place in that order is its rank.

    Args:
        path: Read recursively, without hidden files.
        options: How to read what the files leave open.
        by_content: Whether a file is known by its SHA-256, for which every file is read, or by size and time of change.

    Raises:
        StorageError: The folder is missing or cannot be read.
    """

    def __init__(self, path: Path, options: ImportOptions, *, by_content: bool) -> None:
        self.path: Final = path
        self.facts: Sequence[FileFact] = list_files(path)
        self._options = options
        self._hashes = {fact.name: self._sha256(fact) if by_content else None for fact in self.facts}
        self._indexes = Indexes(path, self.facts, self._hashes)

    def part(self, facts: Sequence[FileFact]) -> Folder:
        """The same folder as if it had these of its files alone, by name."""
        part = copy(self)
        part.facts = facts
        return part

    def names(self) -> pl.Series:
        """The names as text, by rank."""
        return pl.Series([printable(fact.name) for fact in self.facts], dtype=pl.String)

    def identities(self) -> pl.DataFrame:
        """What identifies each file now: rank, and the columns IDENTITY."""
        return pl.DataFrame(
            {
                "name": [os.fsencode(fact.name) for fact in self.facts],
                "size": [fact.size for fact in self.facts],
                "mtime_ns": [fact.mtime_ns for fact in self.facts],
                "sha256": [self._hashes[fact.name] for fact in self.facts],
                "index": [self._indexes.version_for(fact) for fact in self.facts],
            },
            schema=IDENTITY,
        ).with_row_index("rank")

    def candidates(self, facts: Sequence[FileFact]) -> Iterator[Candidate]:
        """Some of the files after a first look."""
        for fact in facts:
            yield self._indexes.candidate(fact) or look_at(self.path, fact, self._options)

    def _sha256(self, fact: FileFact) -> str:
        """What stands for the content of a file: for one that cannot be read, its size and time of change."""
        digest = hashlib.sha256()
        try:
            with open_plain(self.path / fact.name) as file:
                left = size_of(file)
                while left > 0 and (block := file.read(min(left, 1 << 20))):
                    digest.update(block)
                    left -= len(block)
        except (OSError, InvalidFormatError):  # reading the file will say so
            return f"{fact.size} {fact.mtime_ns}"
        return digest.hexdigest()
