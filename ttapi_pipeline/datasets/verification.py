# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which stored files are hashed before a run, so that damage is found while it can still be mended in the same run.

Hashing and noting damage: see `storage.verification`. Opening a table verifies it too, and hashes it again only where
this process has not hashed it yet.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.files import replacing
from ttapi_pipeline.core.seals import seal, unseal
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.storage.layout import STATE_FOLDER, DatasetFiles, Folder
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.verification import find_damage

BUDGET_BYTES: Final = 256 * 2**20
"""Bytes that a refresh hashes before it knows what is due; some tenths of a second."""

_SEALED_BY: Final = "verified 1"


def verify_stored(folder: Folder, *, now: datetime, budget_bytes: int = BUDGET_BYTES) -> None:
    """Hash stored files, Parquet and CSV, and note what is damaged.

    Where all of them together are larger than the budget, those are hashed that were longest left out. A table that is
    larger than the budget by itself is hashed when it is read, and by `tt doctor`.

    Args:
        folder: The data folder; nothing is done for an object store, whose files are verified when they are read.
        now: When a table was hashed last is remembered.
        budget_bytes: Bytes to hash at most.

    Raises:
        StorageError: A manifest cannot be read.
    """
    local = open_store(folder).local_folder
    if local is None:
        return
    sizes = {name: _bytes(local, name) for name in (*DATASETS, *REPORTS)}
    chosen = list(sizes)
    if sum(sizes.values()) > budget_bytes:
        last = _read_note(local)
        left, chosen = budget_bytes, []
        for name in sorted(sizes, key=lambda name: last.get(name, "")):
            if sizes[name] <= left:
                chosen.append(name)
                left -= sizes[name]
        _write_note(local, {**last, **dict.fromkeys(chosen, now.isoformat())})
    for name in chosen:
        find_damage(local, name)


def verify_inputs(folder: Folder, selection: Collection[str]) -> bool:
    """Hash what the selected datasets are built from and a run would read as it is; whether damage was found.

    Raises:
        StorageError: A manifest cannot be read.
    """
    upstream = {name for each in selection for name in DATASETS[each].upstream if name in DATASETS}
    damage = [find_damage(folder, name, most_csv_bytes=0) for name in DATASETS if name in upstream - set(selection)]
    return any(damage)


def _bytes(folder: Path, name: str) -> int:
    files = DatasetFiles.of(folder, name)
    total = 0
    for path in (files.parquet, files.csv):
        with suppress(OSError):
            total += path.stat().st_size
    return total


def _read_note(folder: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        content = unseal(_note_file(folder).read_bytes(), by=_SEALED_BY)
        return {} if content is None else dict(json.loads(content))
    return {}


def _write_note(folder: Path, note: Mapping[str, str]) -> None:
    path = _note_file(folder)
    # Without the note, the next refresh hashes the same tables again.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, is_durable=False) as staged:
            staged.write_bytes(seal(json.dumps(note).encode(), by=_SEALED_BY))


def _note_file(folder: Path) -> Path:
    return folder / STATE_FOLDER / "verified.json"
