# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Damage that a reader has found in a stored file, noted beside the data so that every later process knows of it.

Finding damage: see `verification`. Mending it: see `repair`. Standard library only, since `tt status` reads the notes
instead of hashing gigabytes. A note counts for the file that it was written about, and for no other: once the file is
replaced, by a refresh or from a back-up, the note says nothing any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.files import make_folders, remove_abandoned, replacing
from ttapi_pipeline.core.manifest import FileFacts, Manifest
from ttapi_pipeline.core.seals import seal, unseal
from ttapi_pipeline.storage.layout import DatasetFiles, NoteKind

_SEALED_BY: Final = "damage 1"
_SHOWN_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Damage:
    """A stored file that has other bytes than were written.

    Attributes:
        file: Its name.
        expected: XXH3-128 of the bytes that were written.
        seen: XXH3-128 of the bytes that are there.
    """

    file: str
    expected: str
    seen: str

    def __str__(self) -> str:
        return (
            f"{self.file} is damaged: its bytes hash to {self.seen[:_SHOWN_DIGITS]}, and "
            f"{self.expected[:_SHOWN_DIGITS]} was written"
        )


def note_damage(files: DatasetFiles, damage: Damage, damaged: Path) -> None:
    """Note damage of a file for every later process. Where the folder cannot be written, only this one knows of it.

    Rows have the name of the file for people in the note, whichever file they were read from.
    """
    path = files.note(NoteKind.DAMAGED)
    with suppress(OSError):
        document = _read(path)
        document[damage.file] = {
            "expected": damage.expected,
            "seen": damage.seen,
            "identity": _identity(damaged),
        }
        make_folders(path.parent)
        with replacing(path) as staged:
            staged.write_bytes(seal(json.dumps(document).encode(), by=_SEALED_BY))


def noted_damage(files: DatasetFiles, manifest: Manifest) -> Mapping[str, Damage]:
    """The damage that is known of the files that a manifest describes, by file name; empty when none is known."""
    noted = _read(files.note(NoteKind.DAMAGED))
    found = {}
    rows = files.rows_file(manifest.write_id)
    for name, path, facts in ((files.parquet.name, rows, manifest.parquet), (files.csv.name, files.csv, manifest.csv)):
        each = noted.get(name)
        if facts is not None and each is not None and _is_about(each, path, facts):
            found[name] = Damage(name, facts.xxh3_128, str(each["seen"]))
    return found


def forget_damage(files: DatasetFiles) -> None:
    """Remove the note: the files have been replaced. A note that stays is ignored."""
    path = files.note(NoteKind.DAMAGED)
    with suppress(OSError):
        path.unlink(missing_ok=True)
        remove_abandoned(path)


def _is_about(noted: Mapping[str, object], path: Path, facts: FileFacts) -> bool:
    try:
        return noted["expected"] == facts.xxh3_128 and noted["identity"] == _identity(path)
    except (OSError, KeyError):
        return False


def _read(path: Path) -> dict[str, dict[str, object]]:
    try:
        content = unseal(path.read_bytes(), by=_SEALED_BY)
        return {} if content is None else dict(json.loads(content))
    except (OSError, ValueError):
        return {}


def _identity(path: Path) -> list[int]:
    """What changes when the file is replaced."""
    found = path.stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns]
