# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The publications of datasets in an object store, as `storage.versions.by_session` needs them.

The names of entries say when they were made. So one listing per dataset tells which entries have to be read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.history import publications_in, read_log
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.manifests import read_current
from ttapi_pipeline.storage.objects.names import LogEntry, ObjectNames, log_entries, write_id_of
from ttapi_pipeline.storage.versions.keeping import session_at
from ttapi_pipeline.storage.versions.log import Publication

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class History:
    """What a listing tells of a dataset.

    Attributes:
        names: Of its objects.
        entries: Of the log, oldest first.
        rows: The objects with rows, by write id.
    """

    names: ObjectNames
    entries: Sequence[LogEntry]
    rows: Mapping[str, ObjectPath]

    @classmethod
    def of(cls, names: ObjectNames) -> History:
        """List a dataset."""
        listed = [each.path for each in bucket.listed(names.kept)]
        parquet = (path for path in listed if path.name.endswith(".parquet"))
        return cls(
            names, log_entries(listed), {found: path for path in parquet if (found := write_id_of(path)) is not None}
        )

    def read(self, entries: Sequence[LogEntry]) -> list[Publication]:
        """These entries of the log; those that cannot be read are left out."""
        return read_log(self.names, [self.names.entry(entry) for entry in entries])

    def publications(self, since: date | None) -> Sequence[Publication]:
        """As `Store.publications`."""
        wanted = self.entries
        if since is not None:
            later = [number for number, entry in enumerate(self.entries) if session_at(entry.instant) >= since]
            # The name tells when the rows were computed: storing them may have taken until the next session.
            first = min(later, default=len(self.entries))
            wanted = self.entries[max(0, first - 1) :]
        return publications_in(self.read(wanted), read_current(self.names.folder, self.names.dataset))

    def ends(self) -> tuple[Publication | None, Publication | None]:
        """As `Store.ends_of_log`."""
        if not self.entries:
            return None, None
        found = {each.manifest.write_id: each for each in self.read([self.entries[0], self.entries[-1]])}
        return found.get(self.entries[0].write_id), found.get(self.entries[-1].write_id)

    def rows_of(self, publication: Publication) -> ObjectPath | None:
        """Where the rows of a publication are; None where they are not kept."""
        manifest = publication.manifest
        for write_id in dict.fromkeys((manifest.write_id, publication.rows_of)):
            if write_id is not None and write_id in self.rows:
                return self.rows[write_id]
        same = [each for each in self.entries if each.data_version == manifest.data_version]
        earlier = [each for each in same if each <= LogEntry.of(manifest) and each.write_id in self.rows]
        return self.rows[earlier[-1].write_id] if earlier else None


@dataclass(slots=True)
class Histories:
    """The datasets of a data folder, each listed once.

    Attributes:
        folder: The data folder.
    """

    folder: ObjectPath
    _known: dict[str, History] = field(default_factory=dict, repr=False)

    def look(self, datasets: Collection[str]) -> None:
        """List several datasets at the same time."""
        names = [ObjectNames(self.folder, name) for name in datasets if name not in self._known]
        self._known.update({each.names.dataset: each for each in bucket.at_once(History.of, names)})

    def of(self, dataset: str) -> History:
        """What is there of a dataset."""
        self.look([dataset])
        return self._known[dataset]


def open_rows(publication: Publication, path: ObjectPath) -> pl.LazyFrame:
    """As `Store.open_rows`: sizes are compared where the file is the publication's own."""
    from ttapi_pipeline.storage.objects.table import scan_object  # noqa: PLC0415 - Polars, for what is read
    from ttapi_pipeline.tables.rounding import rounded  # noqa: PLC0415 - see above

    manifest, found = publication.manifest, bucket.facts_of(path)
    is_own = write_id_of(path) == manifest.write_id
    if found is None or (is_own and found.bytes != manifest.parquet.bytes):
        raise CorruptFileError(f"{path} is damaged: its rows are not those that were published")
    return rounded(scan_object(path))
