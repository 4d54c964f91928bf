# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A program that adds rows to a table in an object store, one publication each, and says which ones are stored.

Arguments: the URL of the data folder, the name of the writer, the number of the first row, the number behind the last.
Its row numbers are its own, so that a row that was stored twice or never can be told.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import polars as pl

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import ConflictError, StorageError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.storage.layout import Folder, open_folder
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.store import Store, open_store
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline_tests.support.marks import FETCHED_AT, MARKS

RETENTION = Retention(Keeps.EVERY_CHANGE, 20)


def symbol(writer: str, number: int) -> str:
    """The row of a writer."""
    return f"{writer}{number:04d}"


def add(store: Store, name: str) -> None:
    """Add a row to whatever is stored; after a lost race to what is stored then."""
    row = {"symbol": name, "session": FETCHED_AT.date(), "close": 1.0, "is_final": True, "fetched_at": FETCHED_AT}
    new = pl.DataFrame([row], schema=MARKS.polars)
    while True:
        found = store.read_manifest("marks")
        table = None if found is None else store.open_table(MARKS)
        manifest = None if table is None else table.manifest
        frame = new if table is None else pl.concat([table.frame.collect(), new])
        if table is not None and name in table.frame.collect()["symbol"]:
            # It was published before the writer was killed.
            return
        made = Provenance(dataset="marks", code_version="1", fetched_at=datetime.now(tz=UTC), is_simulated=True)
        try:
            publish(
                frame,
                MARKS,
                store.folder,
                made,
                replaces=None if manifest is None else manifest.write_id,
                csv_choice=CsvChoice.OFF,
                retention=RETENTION,
            ).wait()
            return
        except ConflictError:
            continue


def main(location: str, writer: str, first: int, end: int) -> None:
    """Add the rows and acknowledge each."""
    folder: Folder = open_folder(location)
    for number in range(first, end):
        while True:
            try:
                add(open_store(folder), symbol(writer, number))
                break
            except StorageError as error:
                sys.stderr.write(f"{error}\n")
                if not error.retryable:
                    raise
        sys.stdout.write(f"{symbol(writer, number)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
