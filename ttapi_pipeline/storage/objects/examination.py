# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Finding and mending what is wrong with a dataset in an object store. The same on a disk: `storage.repair`.

A lost manifest is made from the log, a lost CSV from the rows, the copies for people from both.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import ConflictError, CorruptFileError
from ttapi_pipeline.core.manifest import FileFacts, Manifest
from ttapi_pipeline.storage.claims import NOT_OURS
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.files import file_facts, temporary_folder
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.claims import foreign_objects
from ttapi_pipeline.storage.objects.damage import GONE, note_damage
from ttapi_pipeline.storage.objects.history import newest_logged
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.manifests import Current, commit, note_copy, read_current
from ttapi_pipeline.storage.objects.names import ObjectNames
from ttapi_pipeline.storage.objects.publication import put_csv, refresh_copies
from ttapi_pipeline.storage.repair import Problem
from ttapi_pipeline.storage.store import VersionedManifest

_REFRESH: Final = "refresh it with `tt refresh {} --force`"


@dataclass(frozen=True, slots=True)
class _Examined:
    """What was found.

    Attributes:
        problems: What is wrong.
        stored: What is in the place of the manifest.
        truth: The manifest that counts; None where there is none, or its rows are damaged.
        rows: The rows, downloaded.
    """

    problems: list[Problem]
    stored: Current
    truth: Manifest | None = None
    rows: Path | None = None


def check(folder: ObjectPath, dataset: str, csv_choice: CsvChoice | None) -> Sequence[Problem]:
    """As `storage.repair.check`; everything is downloaded and hashed."""
    with ExitStack() as held:
        return _examine(ObjectNames(folder, dataset), csv_choice, held).problems


def repair(folder: ObjectPath, dataset: str, csv_choice: CsvChoice | None) -> Sequence[Problem]:
    """As `storage.repair.repair`.

    Raises:
        CorruptFileError: The rows are damaged.
    """
    names = ObjectNames(folder, dataset)
    with ExitStack() as held:
        found = _examine(names, csv_choice, held)
        if found.truth is None:
            damage = [str(each) for each in found.problems if not each.is_repairable and each.finding != NOT_OURS]
            if damage:
                raise CorruptFileError("; ".join(damage))
            return found.problems
        if any(each.is_repairable for each in found.problems) and found.rows is not None:
            _mend(names, found.truth, found.stored, found.rows)
        return found.problems


def _mend(names: ObjectNames, truth: Manifest, stored: Current, rows: Path) -> None:
    try:
        mended = VersionedManifest(truth, stored.version or "")
        if stored.manifest != truth:
            mended = VersionedManifest(truth, commit(names.folder, truth, if_version=stored.version))
        if truth.csv is None and truth.csv_choice is not CsvChoice.OFF:
            mended = put_csv(names, mended, rows)
    except ConflictError:
        # Another program has published, or mended it, meanwhile.
        return
    if mended.version:
        refresh_copies(names, mended.manifest)
        note_copy(names.folder, mended.manifest, mended.version)


def _examine(names: ObjectNames, csv_choice: CsvChoice | None, held: ExitStack) -> _Examined:
    problems: list[Problem] = []

    def found(path: ObjectPath, finding: str, *, is_repairable: bool = True) -> None:
        problems.append(Problem(names.dataset, path, finding, is_repairable))

    foreign = foreign_objects(names)
    stored = read_current(names.folder, names.dataset)
    if foreign:
        return _Examined([Problem(names.dataset, path, NOT_OURS, is_repairable=False) for path in foreign], stored)
    truth = stored.manifest or newest_logged(names)
    if truth is None:
        if stored.content is not None:
            found(names.manifest, f"cannot be read; {_REFRESH.format(names.dataset)}", is_repairable=False)
        return _Examined(problems, stored)
    if stored.manifest is None:
        found(names.manifest, "is gone" if stored.content is None else "cannot be read")
        truth = replace(truth, csv=None, csv_rows=None)
    folder = held.enter_context(temporary_folder())
    rows = folder / "rows.parquet"
    seen = _downloaded(names.parquet_of(truth), rows)
    if seen != truth.parquet:
        note_damage(names, truth, GONE if seen is None else seen.xxh3_128)
        words = "is gone" if seen is None else f"is damaged: it has XXH3-128 {seen.xxh3_128}"
        found(names.parquet_of(truth), f"{words}; {_REFRESH.format(names.dataset)}", is_repairable=False)
        return _Examined(problems, stored)
    chosen = csv_choice or truth.csv_choice
    if truth.csv_choice is not chosen:
        found(names.manifest, f"is of TT_CSV={truth.csv_choice}, and not of TT_CSV={chosen}")
        truth = replace(truth, csv_choice=chosen, csv=None, csv_rows=None)
    elif chosen is not CsvChoice.OFF:
        csv = names.csv_of(truth)
        if csv is None:
            found(names.rows(truth.write_id, "csv"), "is not there yet")
        elif _downloaded(csv, folder / "stored.csv") != truth.csv:
            found(csv, "is not what was written")
            truth = replace(truth, csv=None, csv_rows=None)
    _examine_copies(names, truth, found)
    return _Examined(problems, stored, truth, rows)


def _examine_copies(names: ObjectNames, truth: Manifest, found: object) -> None:
    say = found
    if not callable(say):
        raise TypeError("the finder is called with what was found")
    for ending, facts in (("parquet", truth.parquet), ("csv", truth.csv)):
        copy = names.copy(ending)
        there = bucket.facts_of(copy)
        if facts is not None and (there is None or there.bytes != facts.bytes):
            say(copy, "is gone" if there is None else "is not the copy of what is stored")


def _downloaded(path: ObjectPath, target: Path) -> FileFacts | None:
    """Size and hash of an object, which is at `target` then; None when there is none."""
    try:
        return file_facts(target) if bucket.download(path, target) else None
    except OSError as error:
        raise storage_error(target, error) from error
