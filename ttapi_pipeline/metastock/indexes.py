# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What the index files of a folder say of its binary data files. Their bytes are decoded in `binary`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.metastock.binary import INDEX_NAMES, Security, data_file_number, is_index, read_index
from ttapi_pipeline.metastock.candidates import Candidate
from ttapi_pipeline.metastock.fingerprint import FileFact


@dataclass(slots=True)
class _Indexed:
    """What the index files of one folder say together; `version` stands for their content."""

    version: str = ""
    securities: dict[int, Security] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)


class Indexes:
    """The index files below a folder, each read once.

    Args:
        folder: The folder that the files' names are relative to.
        facts: All files below it.
        hashes: The SHA-256 of each file by name, None where size and time stand for the content.
    """

    def __init__(self, folder: Path, facts: Sequence[FileFact], hashes: Mapping[str, str | None]) -> None:
        self._by_folder: dict[str, _Indexed] = {}
        order = {name: rank for rank, name in enumerate(INDEX_NAMES)}
        indexes = [fact for fact in facts if is_index(_split(fact)[1])]
        # An index that is read later replaces what the others say of a data file.
        for fact in sorted(indexes, key=lambda fact: order[_split(fact)[1].upper()]):
            indexed = self._by_folder.setdefault(_split(fact)[0], _Indexed())
            indexed.version += f"{fact.name} {hashes[fact.name] or (fact.size, fact.mtime_ns)}\n"
            try:
                indexed.securities.update(read_index(folder / fact.name))
            except InvalidFormatError as error:
                indexed.faults[fact.name] = f"it is no binary MetaStock index: {error}"
            except OSError as error:
                indexed.faults[fact.name] = f"it cannot be read: {error.strerror or error}"
                indexed.closed.add(fact.name)
                # When it can be read, its data files are others.
                indexed.version += "closed\n"

    def version_for(self, fact: FileFact) -> str:
        """Stands for the content of the index files that a data file depends on; empty for any other file."""
        folder, name = _split(fact)
        if folder not in self._by_folder or data_file_number(name) is None:
            return ""
        return hashlib.sha256(os.fsencode(self._by_folder[folder].version)).hexdigest()

    def candidate(self, fact: FileFact) -> Candidate | None:
        """A file of a folder with an index; None for a file that has nothing to do with one."""
        folder, name = _split(fact)
        if folder not in self._by_folder:
            return None
        indexed = self._by_folder[folder]
        if is_index(name):
            is_closed = fact.name in indexed.closed
            return Candidate(fact, None, "", indexed.faults.get(fact.name), is_closed=is_closed, is_index=True)
        if name.upper().endswith(".DOP"):
            # The names of an F file's columns, which its index gives as well.
            return Candidate(fact, None, "", is_index=True)
        number = data_file_number(name)
        if number is None:
            return None
        security = indexed.securities.get(number)
        if security is None:
            return Candidate(fact, None, "", "no index file of its folder names it")
        return Candidate(fact, None, security.ticker, security=security)


def _split(fact: FileFact) -> tuple[str, str]:
    """Folder and name of a file."""
    folder, _, name = fact.name.rpartition("/")
    return folder, name
