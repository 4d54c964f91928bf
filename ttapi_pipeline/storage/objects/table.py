# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Opening tables in an object store: Polars reads the row groups and columns that a query needs, and nothing else.

The store compares what it gives out with what it was given. Here, sizes are compared with the manifest; `tt doctor`
reads and hashes everything.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.errors import storage_errors
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.damage import difference, note_damage
from ttapi_pipeline.storage.objects.history import versions
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.manifests import read_manifest
from ttapi_pipeline.storage.objects.names import ObjectNames
from ttapi_pipeline.storage.table import StoredTable
from ttapi_pipeline.storage.versions.reading import Version, not_kept
from ttapi_pipeline.tables.older_types import in_types_of_now
from ttapi_pipeline.tables.rounding import rounded

if TYPE_CHECKING:
    from ttapi_pipeline.tables.schema import DatasetSchema

_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 0.1
_WAY_OUT: Final = "the next `tt refresh` mends it, and `tt doctor` says at what cost"


def open_objects(folder: ObjectPath, schema: DatasetSchema) -> StoredTable:
    """As `Store.open_table`, in two requests and without a row."""
    names = ObjectNames(folder, schema.name)
    attempt = 0
    while True:
        attempt += 1
        found = read_manifest(folder, schema.name)
        if found is None:
            raise StorageError(f"{names.manifest}: nothing is stored") from FileNotFoundError(str(names.manifest))
        manifest, path = found.manifest, names.parquet_of(found.manifest)
        seen = difference(manifest, bucket.facts_of(path))
        if seen is None:
            return _opened(path, manifest, schema)
        if attempt == _ATTEMPTS:
            raise CorruptFileError(f"{path}: {note_damage(names, manifest, seen)}; {_WAY_OUT}")
        # Beside the manifest, the rows of an earlier version of the program may just be replaced.
        time.sleep(_PAUSE_SECONDS)


def open_kept(folder: ObjectPath, schema: DatasetSchema, version: Version) -> StoredTable:
    """As `Store.open_version`."""
    path = version.file
    if not isinstance(path, ObjectPath):
        raise StorageError(not_kept(schema.name, version, versions(folder, schema.name)))
    seen = difference(version.written_by, bucket.facts_of(path))
    if seen is not None:
        raise CorruptFileError(
            f"{path} is damaged: there is {seen}, and {version.written_by.parquet.bytes} bytes were written; this "
            "version is lost, and others are not touched by it"
        )
    with storage_errors(path):
        frame = rounded(scan_object(path))
        if version.trail is not None:
            from ttapi_pipeline.storage.objects.changes import led_back_by  # noqa: PLC0415 - for a version far back

            frame = led_back_by(ObjectNames(folder, schema.name), version.trail, frame, schema.key)
        of_now = in_types_of_now(frame, schema)
    return StoredTable(frame if of_now is None else of_now, version.manifest, version.written_by.parquet.xxh3_128)


def _opened(path: ObjectPath, manifest: Manifest, schema: DatasetSchema) -> StoredTable:
    of_now = {name: str(dtype) for name, dtype in schema.polars.items()}
    frame: pl.LazyFrame | None
    if dict(manifest.schema) == of_now:
        # Told the types, Polars does not read the footer before it is asked for rows.
        frame = scan_object(path, schema.polars)
    else:
        with storage_errors(path):
            frame = in_types_of_now(scan_object(path), schema)
    if frame is None:
        raise CorruptFileError(f"{path} is not what {schema.name} holds now; refresh it with --force")
    return StoredTable(frame.set_sorted(schema.sort_by[0]), manifest, manifest.parquet.xxh3_128)


def scan_object(path: ObjectPath, schema: pl.Schema | None = None) -> pl.LazyFrame:
    """The rows of one object, in the types of its footer or of the schema that is known to be the same."""
    options = bucket.reading_options(path)
    # Without None, Polars looks for boto3 and asks that for credentials, where another library may have brought it.
    return pl.scan_parquet(str(path), schema=schema, storage_options=options, credential_provider=None, glob=False)
