# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The manifest beside each dataset: facts of the stored files and of the inputs they were built from.

The verdict reads nothing else, so it survives a pruned run, a new Dagster instance and a restored back-up.
The file is read in `storage.stored` and written in `storage.publish`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from ttapi_pipeline.core.csv_choice import MOST_SHEET_ROWS, CsvChoice
from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.seals import CHECKSUM, check_document, with_checksum

FORMAT: Final = 2

_PROVENANCE_KEYS: Final = frozenset(
    {
        *("dataset", "is_simulated", "code_version", "fetched_at", "fetch_seconds"),
        *("inputs", "settings", "sources", "missing", "statistics"),
    }
)
_KEYS_WITHOUT_CHECKSUM: Final = _PROVENANCE_KEYS | {
    *("format", "data_version", "write_id", "rows", "schema", "parquet", "csv")
}
"""The keys of a manifest from before manifests had a checksum. Such a manifest is believed as it is."""

FOOTER_KEYS_WITHOUT_CHECKSUM: Final = _PROVENANCE_KEYS | {"data_version", "write_id", "rows", "schema", "hashed_by"}
"""The same of the facts in a Parquet footer."""

KEPT_DAMAGES: Final = 8
"""Hashes of damaged files that a manifest remembers, the newest ones."""

Fact = str | int | float | bool
"""A value in a manifest's `statistics`."""

LOST: Final = "lost "
"""How the name of a statistic begins that counts values or rows which came and could not be read."""

DOUBTS: Final = "doubts"
"""The name of a statistic that counts what was taken over as it came, and a person should look at."""

CAUTION: Final = "caution "
"""How the name of a statistic begins that says in a sentence what is doubtful about a subject."""


def caution_facts(cautions: Mapping[str, str]) -> Mapping[str, str]:
    """Statistics that say what is doubtful, by the name of the subject; none where nothing is."""
    return {f"{CAUTION}{name}": sentence for name, sentence in sorted(cautions.items())}


def lost_facts(lost: Mapping[str, int]) -> Mapping[str, int]:
    """Statistics that say what was lost, by the name of the field; none where nothing was lost."""
    return {f"{LOST}{name}": count for name, count in sorted(lost.items()) if count}


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Size and XXH3-128 of a stored file, as `xxhsum -H2` prints it.

    The hash detects damage and is not meant against forgery: a person who can forge a file can forge its manifest too,
    and to hash gigabytes with SHA-256 takes as long as to write them.

    Attributes:
        bytes: The size.
        xxh3_128: The hash.
        name: Where it is, relative to the data folder; None for the file beside the manifest. Files with the same bytes
            are equal wherever they are.
    """

    bytes: int
    xxh3_128: str
    name: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The origin of a dataset's rows; known before they are stored.

    Attributes:
        dataset: The name of the dataset.
        code_version: Of the declaration that built it.
        fetched_at: When its collection from outside, or its computation, began; its age counts from here.
        inputs: Data version of each upstream dataset that it was built from.
        settings: The settings that shaped it, in words.
        sources: Number of rows per source.
        missing: The reason for each subject that should be in it and did not come.
        statistics: Other figures worth keeping, such as requests made and rows carried over.
        is_simulated: True when any of its rows is invented.
        fetch_seconds: How long collecting and processing took.
        input_files: XXH3-128 of the Parquet file of each upstream dataset whose rows it was built from.
        damaged_files: XXH3-128 that Parquet files of this dataset had when they were found damaged, the newest last.
            Whatever was built from such a file is built again.
        why: The rule of the verdict that had it built, and the verdict's reason.
        run: The Dagster run that built it.
        began_at: When the refresh began that built it; `fetched_at` may be that of rows which the refresh has kept.
    """

    dataset: str
    code_version: str
    fetched_at: datetime
    inputs: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    statistics: Mapping[str, Fact] = field(default_factory=dict)
    is_simulated: bool = False
    fetch_seconds: float = 0.0
    input_files: Mapping[str, str] = field(default_factory=dict)
    damaged_files: Sequence[str] = ()
    why: str = ""
    run: str = ""
    began_at: datetime | None = None

    @property
    def lost(self) -> Mapping[str, int]:
        """How many values or rows came and could not be read, by field; empty where nothing was lost."""
        counts = {name.removeprefix(LOST): fact for name, fact in self.statistics.items() if name.startswith(LOST)}
        return {name: count for name, count in counts.items() if isinstance(count, int)}

    @property
    def lost_in_words(self) -> str:
        """How much was lost, for people; empty where nothing was lost."""
        count = sum(self.lost.values())
        return f"{count} value{'' if count == 1 else 's'} could not be read" if count else ""

    @property
    def cautions(self) -> Mapping[str, str]:
        """A sentence about each subject that was taken over as it came, and a person should look at."""
        return {
            name.removeprefix(CAUTION): str(fact) for name, fact in self.statistics.items() if name.startswith(CAUTION)
        }

    @property
    def noticed(self) -> int:
        """How much a person should look at that is told in a table of its own."""
        count = self.statistics.get(DOUBTS, 0)
        return count if isinstance(count, int) else 0

    @property
    def doubts(self) -> int:
        """How much was taken over as it came, and a person should look at."""
        return self.noticed + len(self.cautions)

    def to_document(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "dataset": self.dataset,
            "is_simulated": self.is_simulated,
            "code_version": self.code_version,
            "fetched_at": self.fetched_at.astimezone(UTC).isoformat(),
            "fetch_seconds": round(self.fetch_seconds, 3),
            "inputs": dict(self.inputs),
            "settings": dict(self.settings),
            "sources": dict(self.sources),
            "missing": dict(self.missing),
            "statistics": dict(self.statistics),
            "input_files": dict(self.input_files),
            "damaged_files": list(self.damaged_files),
            "why": self.why,
            "run": self.run,
            "began_at": None if self.began_at is None else self.began_at.astimezone(UTC).isoformat(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Provenance:
        """The inverse of `to_document`; KeyError, TypeError or ValueError for any other document."""
        return cls(
            dataset=document["dataset"],
            code_version=document["code_version"],
            fetched_at=datetime.fromisoformat(document["fetched_at"]).astimezone(UTC),
            inputs=dict(document["inputs"]),
            settings=dict(document["settings"]),
            sources=dict(document["sources"]),
            missing=dict(document["missing"]),
            statistics=dict(document["statistics"]),
            is_simulated=document["is_simulated"],
            fetch_seconds=document["fetch_seconds"],
            # Documents from before these were noted have none of them.
            input_files=dict(document.get("input_files", {})),
            damaged_files=tuple(document.get("damaged_files", ())),
            why=document.get("why", ""),
            run=document.get("run", ""),
            began_at=_instant(document.get("began_at")),
        )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def with_damaged_file(provenance: Provenance, xxh3_128: str) -> Provenance:
    """The provenance of rows that take the place of a damaged Parquet file, which had this hash."""
    known = [each for each in provenance.damaged_files if each != xxh3_128]
    return replace(provenance, damaged_files=(*known, xxh3_128)[-KEPT_DAMAGES:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The facts of a stored dataset.

    Attributes:
        provenance: What it was made from.
        data_version: Hash of the content: schema and rows in any order, without `fetched_at`.
        write_id: Unique to each publication; the Parquet footer has the same one.
        rows: The number of rows.
        schema: The data type of each column, in order, as Polars names it.
        parquet: Facts of the Parquet file.
        csv: Facts of the CSV file; None until it is written, and when there is to be none.
        csv_choice: Which rows the CSV has.
        csv_rows: Number of its rows; None where it has all of them, or is not there.
        after: Write id of the publication that this one replaced, by which a log that lacks it is noticed; None for the
            first one, and where nobody knows.
    """

    provenance: Provenance
    data_version: str
    write_id: str
    rows: int
    schema: Mapping[str, str]
    parquet: FileFacts
    csv: FileFacts | None = None
    csv_choice: CsvChoice = CsvChoice.FULL
    csv_rows: int | None = None
    after: str | None = None

    @property
    def is_csv_whole(self) -> bool:
        """Whether the CSV has every row, so that the Parquet file could be made from it."""
        return self.csv is not None and self.csv_rows in {None, self.rows}

    @property
    def is_csv_too_long(self) -> bool:
        """Whether the CSV has more rows than a spreadsheet opens."""
        rows = self.rows if self.csv_rows is None else self.csv_rows
        return self.csv is not None and rows > MOST_SHEET_ROWS

    def is_followed_by(self, footer: Manifest) -> bool:
        """Whether a footer can be of a publication after this one, which was cut short before it wrote its manifest.

        Any other file in the place of the Parquet file is as it was before, or another dataset's: a disk or a person
        has put it there.
        """
        return (
            footer.write_id != self.write_id
            and footer.provenance.dataset == self.provenance.dataset
            and footer.provenance.fetched_at >= self.provenance.fetched_at
        )

    def to_json(self) -> str:
        """An indented JSON document that `from_json` reads back."""
        document = {
            "format": FORMAT,
            **self.provenance.to_document(),
            "data_version": self.data_version,
            "write_id": self.write_id,
            "rows": self.rows,
            "schema": dict(self.schema),
            "parquet": _facts_document(self.parquet),
            "csv": _facts_document(self.csv),
            "csv_choice": str(self.csv_choice),
            "csv_rows": self.csv_rows,
            "after": self.after,
        }
        return json.dumps(with_checksum(document), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, *, name: str) -> Manifest:
        """Read a manifest.

        Raises:
            CorruptFileError: The text is not a manifest of the current format, or differs from its checksum. The
                message names the file, `name`.
            StorageError: A later version of the program wrote the manifest.
        """
        try:
            document = json.loads(text)
            stated = document["format"]
            is_later = isinstance(stated, int) and stated > FORMAT and CHECKSUM in document
            if stated != FORMAT and not is_later:
                raise ValueError(f"format {stated!r}, and this version reads {FORMAT}")
            check_document(document, keys_without=_KEYS_WITHOUT_CHECKSUM)
            if is_later:
                raise StorageError(
                    f"{name} has format {stated} of a later version of the program, and this one reads {FORMAT}; "
                    "get the later version, or set TT_DATA_DIR to another folder"
                )
            parquet = _facts(document["parquet"])
            if parquet is None:
                raise ValueError("no facts of the Parquet file")
            return cls(
                provenance=Provenance.from_document(document),
                data_version=document["data_version"],
                write_id=document["write_id"],
                rows=document["rows"],
                schema=dict(document["schema"]),
                parquet=parquet,
                csv=_facts(document["csv"]),
                # A manifest from before there was a choice has neither.
                csv_choice=CsvChoice(document.get("csv_choice", CsvChoice.FULL)),
                csv_rows=document.get("csv_rows"),
                after=document.get("after"),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CorruptFileError(
                f"{name} is not a manifest: {error!r}; the next `tt refresh`, or `tt doctor --repair`, rebuilds it"
            ) from error

    @classmethod
    def from_footer(cls, document: Mapping[str, Any], parquet: FileFacts) -> Manifest:
        """The manifest, without a CSV, that the facts in the footer of a Parquet file give.

        Args:
            document: The facts.
            parquet: Size and hash of that file.

        Raises:
            KeyError, TypeError, ValueError: They are not the facts of a published dataset, or have changed.
        """
        check_document(document, keys_without=FOOTER_KEYS_WITHOUT_CHECKSUM)
        return cls(
            provenance=Provenance.from_document(document),
            data_version=document["data_version"],
            write_id=document["write_id"],
            rows=document["rows"],
            schema=document["schema"],
            parquet=parquet,
        )


def _facts_document(facts: FileFacts | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    named = {} if facts.name is None else {"name": facts.name}
    return {"bytes": facts.bytes, "xxh3_128": facts.xxh3_128, **named}


def _facts(document: Mapping[str, Any] | None) -> FileFacts | None:
    if document is None:
        return None
    return FileFacts(bytes=document["bytes"], xxh3_128=document["xxh3_128"], name=document.get("name"))
