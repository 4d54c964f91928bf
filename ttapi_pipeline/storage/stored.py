# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reading the manifest of a dataset, and comparing its files with it. Rows are read by `scan`.

Standard library only, so that a verdict over every dataset takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.damage import Damage, noted_damage
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.footer import read_footer_bytes
from ttapi_pipeline.storage.layout import PUBLICATIONS, DatasetFiles, Folder
from ttapi_pipeline.storage.store import VersionedManifest, open_store


@dataclass(frozen=True, slots=True)
class Stored:
    """The manifest of a dataset, and how its files compare with it.

    Attributes:
        manifest: None when nothing is stored.
        lost_files: Names of the Parquet and CSV files that the manifest describes and that are gone.
        is_lagging: Whether the manifest, the CSV or the Parquet file for people is not that of the rows: a publication
            was cut short, its CSV is being written right now, or somebody has put another file there.
            `storage.repair.repair` mends it.
        damage: By file name, what some process has found damaged. Files are not hashed for it.
        are_rows_there: Whether there is a file with the rows, so that `repair` makes the lost files of it.
        replaced_files: Name of the Parquet file for people, if it is another one than the rows, which are there too.
        is_adopted: Whether the rows have a name of their own, if their versions are kept; `repair` gives them one.
    """

    manifest: Manifest | None
    lost_files: tuple[str, ...] = ()
    is_lagging: bool = False
    damage: Mapping[str, Damage] = field(default_factory=dict)
    are_rows_there: bool = True
    replaced_files: tuple[str, ...] = ()
    is_adopted: bool = True

    @property
    def is_repairable(self) -> bool:
        """Whether `repair` makes something here that is lost, behind or damaged, without asking anybody for rows."""
        is_behind = bool(self.lost_files) or self.is_lagging or not self.is_adopted
        return bool(self.damage) or (is_behind and self.are_rows_there)


def read_manifest(folder: Folder, dataset: str) -> Manifest | None:
    """The manifest of a dataset; None when it has none.

    Raises:
        CorruptFileError: The file is not a manifest.
        StorageError: It cannot be read.
    """
    found = open_store(folder).read_manifest(dataset)
    return None if found is None else found.manifest


def read_manifest_file(folder: Path, dataset: str) -> VersionedManifest | None:
    """As `read_manifest`, in a folder of this machine."""
    path = folder / f"{dataset}.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise CorruptFileError(
            f"{path} is not a manifest: {error}; the next `tt refresh`, or `tt doctor --repair`, rebuilds it"
        ) from error
    except OSError as error:
        raise storage_error(path, error) from error
    return VersionedManifest(
        Manifest.from_json(text, name=str(path)), blake2b(text.encode(), digest_size=16).hexdigest()
    )


def read_stored(folder: Folder, dataset: str) -> Stored:
    """Read the manifest of a dataset, and compare names and sizes of its files and the Parquet footer with it.

    Raises:
        CorruptFileError: The file in the manifest's place is not a manifest.
        StorageError: The folder cannot be read.
    """
    return open_store(folder).read_stored(dataset)


def read_stored_files(folder: Path, dataset: str) -> Stored:
    """As `read_stored`, in a folder of this machine."""
    files = DatasetFiles.of(folder, dataset)
    found = read_manifest_file(folder, dataset)
    manifest = None if found is None else found.manifest
    parquet_bytes, csv_bytes = _size(files.parquet), _size(files.csv)
    if manifest is None:
        return Stored(None, is_lagging=parquet_bytes is not None)
    lost = [
        path.name
        for path, size in ((files.parquet, parquet_bytes), (files.csv, csv_bytes))
        # A CSV that the manifest does not describe yet is behind, not lost.
        if size is None and (path is files.parquet or manifest.csv is not None)
    ]
    is_csv_behind = manifest.csv is None or csv_bytes != manifest.csv.bytes
    if manifest.csv_choice is CsvChoice.OFF:
        is_csv_behind = csv_bytes is not None
    own_bytes = _size(files.rows_of(manifest.write_id))
    is_other = parquet_bytes is not None and (
        parquet_bytes != manifest.parquet.bytes or not footer_has(files.parquet, manifest.write_id)
    )
    is_own_cut = own_bytes not in {None, manifest.parquet.bytes}
    is_lagging = parquet_bytes is not None and (is_csv_behind or is_own_cut or is_other)
    return Stored(
        manifest,
        tuple(lost),
        is_lagging,
        noted_damage(files, manifest),
        are_rows_there=parquet_bytes is not None or own_bytes is not None,
        replaced_files=(files.parquet.name,) if is_other and own_bytes == manifest.parquet.bytes else (),
        is_adopted=own_bytes is not None or _size(folder / dataset / PUBLICATIONS) is None,
    )


def with_csv_choice(stored: Stored, choice: CsvChoice) -> Stored:
    """What is there, by which rows the CSV is to have now: one of another choice is behind, and none can be lost."""
    if stored.manifest is None or stored.manifest.csv_choice is choice:
        return stored
    lost = stored.lost_files
    if choice is CsvChoice.OFF:
        lost = tuple(name for name in lost if not name.endswith(".csv"))
    return replace(stored, lost_files=lost, is_lagging=True)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise storage_error(path, error) from error


def footer_has(path: Path, write_id: str) -> bool:
    """Whether the footer of a Parquet file carries this write id.

    The id is a random hex string that stands in the footer as it is: finding its bytes is proof enough, and the verdict
    needs no Parquet reader.
    """
    try:
        with path.open("rb") as file:
            footer, _ = read_footer_bytes(file)
            return write_id.encode() in footer
    except (FileNotFoundError, CorruptFileError):
        return False
    except OSError as error:
        raise storage_error(path, error) from error
