# SPDX-License-Identifier: MIT
"""Big tables in pieces, of which those that did not change are copied instead of encoded; `publish` puts them in place.

A piece has a key that stands for its rows: the same key, the same rows. What was stored of each piece (where its bytes
are in the Parquet file and in the CSV, their checksums, its share of the data version) is noted beside the data. The
next publication copies the bytes of a piece whose key is noted, after comparing their checksum, and encodes the others,
so that the files come out the same as if every piece had been encoded. The note is no more than a memory: without it,
or when it does not belong to the file that is there, everything is encoded.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO, Final, Self

import polars as pl
from polars.io.plugins import register_io_source
from xxhash import xxh3_64, xxh3_64_intdigest, xxh3_128

from ttapi_pipeline.core.errors import CorruptFileError, DataError
from ttapi_pipeline.core.files import left_over, replacing
from ttapi_pipeline.core.manifest import FileFacts, Manifest
from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.storage.hashing import HASHED_BY, ContentHash
from ttapi_pipeline.storage.incremental.row_groups import (
    MAGIC,
    Footer,
    Value,
    drop_page_index,
    encode_footer,
    move,
    read_footer,
)
from ttapi_pipeline.storage.layout import DatasetFiles
from ttapi_pipeline.storage.spreadsheet import csv_header, csv_rows
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.tables.constraints import check_keys, check_nulls
from ttapi_pipeline.tables.schema import DatasetSchema

ROW_GROUP_ROWS: Final = 65_536
"""Of 29 million rows these are some 500 groups: one symbol is in one or two, and the statistics say in which."""

COMPRESSION_LEVEL: Final = 2
"""Of zstd. Prices come out within 2% of level 3's size, in two thirds of its time; level 1 leaves them 60% larger."""

_FORMAT: Final = 2
"""Of the note and of the bytes: another one is for another way of writing either file."""

_WORKERS: Final = 2

_SYNCED_BYTES: Final = 256 * 2**20
"""The disk is sent to work after so many."""

_BLOCK_BYTES: Final = 1 << 20
"""Copied at a time; it stays in the processor's cache between being read, hashed and written."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a table.

    Attributes:
        key: Stands for the rows: where it is the same, so are they, in this process and in any other.
        read: Makes them; called at most once at a time, from any thread.
    """

    key: str
    read: Callable[[], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Pieces:
    """A table whose rows come piece by piece, sorted by their key within and across pieces.

    The key's columns are text and dates, without nulls. A piece is held in memory whole, two at a time.
    """

    schema: pl.Schema
    pieces: Sequence[Piece]

    def lazy(self) -> pl.LazyFrame:
        """The rows as a stream."""

        def batches(
            with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
        ) -> Iterator[pl.DataFrame]:
            left = n_rows
            for piece in self.pieces:
                frame = piece.read()
                frame = frame if with_columns is None else frame.select(with_columns)
                frame = frame if left is None else frame.head(left)
                left = None if left is None else left - frame.height
                yield frame if predicate is None else frame.filter(predicate)
                if left == 0:
                    return

        return register_io_source(batches, schema=self.schema, is_pure=True)


@dataclass(frozen=True, slots=True)
class Extent:
    """Where some bytes are in a file, and their XXH3-64."""

    start: int
    size: int
    checksum: int


@dataclass(frozen=True, slots=True)
class StoredPiece:
    """What is noted of a piece.

    Attributes:
        key: Of the piece.
        rows: How many.
        sums: Its share of the data version.
        first: Key columns of its first row, as text.
        last: Likewise of its last row.
        groups: Row groups of the Parquet file.
        parquet: Where they are.
        csv: Where its lines are; None until they are written.
    """

    key: str
    rows: int
    sums: tuple[int, ...]
    first: tuple[str, ...]
    last: tuple[str, ...]
    groups: int
    parquet: Extent
    csv: Extent | None = None


@dataclass(frozen=True, slots=True)
class WrittenParquet:
    """A Parquet file that was just written.

    Attributes:
        pieces: Its pieces that have rows.
        groups: What its footer says of the row groups of each.
        facts: Its size and hash.
    """

    pieces: Sequence[StoredPiece]
    groups: Sequence[list[Value]]
    facts: FileFacts


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Bytes of an open file, to be copied."""

    file: BinaryIO
    extent: Extent


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A piece as bytes, with what the footer says of it; `start` is where that says it stands."""

    stored: StoredPiece
    body: bytes | _Stretch
    groups: list[Value]
    start: int


class StoredPieces:
    """The pieces of the Parquet file and the CSV that are there, to copy from; there may be none.

    The files are held open, so that what is copied is what was there when the lock was taken. Pieces that another
    version of the dataset's code or of Polars made are not known.
    """

    def __init__(self, files: DatasetFiles, schema: DatasetSchema, *, code_version: str) -> None:
        self._open = ExitStack()
        self._parquet: BinaryIO | None = None
        self._csv: BinaryIO | None = None
        self._pieces: Mapping[str, StoredPiece] = {}
        self._groups: Mapping[str, list[Value]] = {}
        self.template: Final = _template(schema)
        path = _memory(files)
        if path is None or not isinstance(files.parquet, Path) or not isinstance(files.csv, Path):
            return
        # A memory that is gone, damaged or of another publication is none.
        with suppress(OSError, ValueError, KeyError, TypeError, CorruptFileError):
            noted = json.loads(path.read_text(encoding="utf-8"))
            if noted["made_by"] != _made_by(code_version):
                return
            pieces = [_piece_from(document) for document in noted["pieces"]]
            parquet = self._open.enter_context(files.parquet.open("rb"))
            footer, _ = read_footer(parquet)
            groups = footer.row_groups
            if (
                noted["write_id"].encode() not in footer.raw
                or not footer.is_like(self.template)
                or len(groups) != sum(piece.groups for piece in pieces)
            ):
                return
            at = 0
            grouped = {}
            for piece in pieces:
                grouped[piece.key] = groups[at : at + piece.groups]
                at += piece.groups
            self._parquet, self._groups = parquet, grouped
            self._pieces = {piece.key: piece for piece in pieces}
            self._csv = self._open.enter_context(files.csv.open("rb"))

    def close(self) -> None:
        """Let go of the files; the disk takes a second to free gigabytes that were replaced, and nobody has to wait."""
        if self._pieces:
            Thread(target=self._open.close, daemon=True).start()
        else:
            self._open.close()

    def parquet(self, key: str) -> _Encoded | None:
        """A piece's row groups; None when they are not there."""
        stored = self._pieces.get(key)
        if stored is None or self._parquet is None:
            return None
        body = _Stretch(self._parquet, stored.parquet)
        return _Encoded(stored, body, self._groups[key], stored.parquet.start)

    def csv(self, key: str) -> _Stretch | None:
        """A piece's lines; None when they are not there."""
        stored = self._pieces.get(key)
        if stored is None or stored.csv is None or self._csv is None:
            return None
        return _Stretch(self._csv, stored.csv)


def write_parquet(
    path: Path,
    table: Pieces,
    schema: DatasetSchema,
    known: StoredPieces,
    *,
    key_values: Callable[[ContentHash], Mapping[str, str]],
) -> WrittenParquet:
    """Write a table's Parquet file.

    Args:
        path: Where to.
        table: The rows.
        schema: What each piece is conformed to and checked by.
        known: What may be copied.
        key_values: Metadata of the footer, asked for when all rows are known.

    Raises:
        DataError: See `conform`, `check_nulls` and `check_keys`.
        OSError: The file cannot be written; PolarsError: a piece cannot be computed.
    """
    content = ContentHash(schema.polars)
    pieces: list[StoredPiece] = []
    groups: list[list[Value]] = []
    with path.open("wb") as file, _HashedFile(file) as out:

        def append(encoded: _Encoded) -> bool:
            stored, start = encoded.stored, out.size
            if not stored.rows:
                return True
            if pieces and pieces[-1].last >= stored.first:
                raise DataError(
                    f"{schema.name} {', '.join(stored.first)} comes after {', '.join(pieces[-1].last)}, "
                    f"and is not in the order of {', '.join(schema.key)}, as was promised"
                )
            if not out.append(encoded.body):
                return False
            move(encoded.groups, by=start - encoded.start)
            groups.append(encoded.groups)
            content.add(stored.rows, stored.sums)
            pieces.append(replace(stored, parquet=replace(stored.parquet, start=start), csv=None))
            return True

        def encoded(piece: Piece) -> _Encoded:
            return known.parquet(piece.key) or _encoded(piece, schema)

        out.append(MAGIC)
        for piece, found in zip(table.pieces, map_in_order(encoded, table.pieces, workers=_WORKERS), strict=True):
            if not append(found):
                append(_encoded(piece, schema))
        out.append(encode_footer(known.template, [*chain.from_iterable(groups)], key_values(content)))
    return WrittenParquet(pieces, groups, out.facts)


def write_csv(
    path: Path, parquet: Path, schema: DatasetSchema, known: StoredPieces, written: WrittenParquet
) -> tuple[Sequence[StoredPiece], FileFacts]:
    """Write the CSV of a Parquet file; returns its pieces with what is noted of their lines, and size and hash.

    Raises:
        CorruptFileError: The Parquet file is not what was written.
        OSError: The file cannot be written; PolarsError: the lines cannot be made.
    """
    with parquet.open("rb") as file:

        def lines(position: int) -> bytes:
            return csv_rows(_rows(file, written.pieces[position], written.groups[position], known.template))

        def found(position: int) -> bytes | _Stretch:
            return known.csv(written.pieces[position].key) or lines(position)

        noted = []
        with path.open("wb") as csv, _HashedFile(csv) as out:
            out.append(csv_header(schema))
            positions = range(len(written.pieces))
            for position, known_or_new in zip(positions, map_in_order(found, positions, workers=_WORKERS), strict=True):
                start, text = out.size, known_or_new
                if not out.append(text):
                    text = lines(position)
                    out.append(text)
                checksum = text.extent.checksum if isinstance(text, _Stretch) else xxh3_64_intdigest(text)
                noted.append(replace(written.pieces[position], csv=Extent(start, out.size - start, checksum)))
    return noted, out.facts


def _rows(file: BinaryIO, piece: StoredPiece, groups: list[Value], template: Footer) -> pl.DataFrame:
    """The rows of a piece of an open Parquet file, out of a Parquet file of its own."""
    body = _bytes_at(file, piece.parquet)
    if body is None:
        raise CorruptFileError(f"the Parquet file has other bytes at {piece.parquet.start} than were written")
    move(groups, by=len(MAGIC) - piece.parquet.start)
    return pl.read_parquet(io.BytesIO(MAGIC + body + encode_footer(template, groups, {})))


def remember(files: DatasetFiles, manifest: Manifest, pieces: Sequence[StoredPiece]) -> None:
    """Note the pieces of a publication for the next one; the caller holds the dataset's lock.

    Raises:
        OSError: The note cannot be written. Nothing but time is lost.
    """
    path = _memory(files)
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "made_by": _made_by(manifest.provenance.code_version),
        "write_id": manifest.write_id,
        "pieces": [asdict(piece) for piece in pieces],
    }
    for staged in left_over(path):
        staged.unlink(missing_ok=True)
    # A note that is cut short is not believed, so it need not be durable.
    with replacing(path, is_durable=False) as staged:
        staged.write_text(json.dumps(document), encoding="utf-8")


def _made_by(code_version: str) -> list[object]:
    return [_FORMAT, HASHED_BY, code_version]


def _memory(files: DatasetFiles) -> Path | None:
    """Where pieces are noted; None where the data is not on this machine."""
    return files.folder / ".state" / "pieces" / f"{files.dataset}.json" if isinstance(files.folder, Path) else None


def _piece_from(document: Mapping[str, object]) -> StoredPiece:
    def extent(name: str) -> Extent | None:
        value = document[name]
        return Extent(**value) if isinstance(value, dict) else None

    parquet = extent("parquet")
    if parquet is None:
        raise ValueError("a piece is nowhere")
    texts = {name: tuple(map(str, _items(document[name]))) for name in ("first", "last")}
    return StoredPiece(
        key=str(document["key"]),
        rows=int(str(document["rows"])),
        sums=tuple(int(str(value)) for value in _items(document["sums"])),
        groups=int(str(document["groups"])),
        parquet=parquet,
        csv=extent("csv"),
        **texts,
    )


def _items(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def _encoded(piece: Piece, schema: DatasetSchema) -> _Encoded:
    """A piece's rows as row groups."""
    rows = conform(piece.read(), schema)
    check_nulls(rows, schema)
    check_keys(rows, schema)
    content = ContentHash(schema.polars)
    content.update(rows)
    body, groups = b"", list[Value]()
    if rows.height:
        body, groups = _row_groups(rows)
    first, last = (tuple(str(value) for value in end.row(0)) if rows.height else () for end in _ends(rows, schema))
    extent = Extent(len(MAGIC), len(body), xxh3_64_intdigest(body))
    stored = StoredPiece(piece.key, rows.height, content.sums, first, last, len(groups), extent)
    return _Encoded(stored, body, groups, len(MAGIC))


def _ends(rows: pl.DataFrame, schema: DatasetSchema) -> tuple[pl.DataFrame, pl.DataFrame]:
    key = rows.select(schema.key)
    return key.head(1), key.tail(1)


def _row_groups(rows: pl.DataFrame) -> tuple[bytes, list[Value]]:
    file = _encode(rows)
    footer, end = read_footer(file)
    groups = footer.row_groups
    end = drop_page_index(groups, end=end)
    return file.getvalue()[len(MAGIC) : end], groups


def _encode(rows: pl.DataFrame) -> io.BytesIO:
    file = io.BytesIO()
    rows.write_parquet(
        file,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        statistics=True,
        row_group_size=ROW_GROUP_ROWS,
    )
    return file


def _template(schema: DatasetSchema) -> Footer:
    """The footer of a file without rows."""
    footer, _ = read_footer(_encode(schema.polars.to_frame()))
    return footer


def _bytes_at(file: BinaryIO, extent: Extent) -> bytes | None:
    """What stands there; None when it is not what was written."""
    try:
        content = os.pread(file.fileno(), extent.size, extent.start)
    except OSError:
        return None
    return content if len(content) == extent.size and xxh3_64_intdigest(content) == extent.checksum else None


class _HashedFile:
    """Writes a file and knows its size and hash; reading ahead and syncing go on in threads of their own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = xxh3_128()
        self._blocks = [memoryview(bytearray(_BLOCK_BYTES)) for _ in range(3)]
        self._threads = ThreadPoolExecutor(max_workers=2)
        self._synced: Future[None] | None = None
        self._unsynced = 0
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    def append(self, content: bytes | _Stretch) -> bool:
        """Write it at the end; False, and nothing is written, when a stretch is not what was noted of it."""
        if isinstance(content, bytes):
            self._digest.update(content)
            self._write(content)
            return True
        start, digest = self.size, self._digest.copy()
        checksum = self._copy(content)
        if self.size - start == content.extent.size and checksum == content.extent.checksum:
            return True
        self._file.seek(start)
        self._file.truncate()
        self.size, self._digest = start, digest
        return False

    def _copy(self, stretch: _Stretch) -> int:
        """Write the stretch, as far as it can be read; returns the checksum of what was.

        Another thread reads and hashes the next blocks while one is written. There are a few, used over and over: to
        fill new memory costs more than to copy.
        """
        free: SimpleQueue[memoryview | None] = SimpleQueue()
        filled: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
        for block in self._blocks:
            free.put(block)

        def read() -> int:
            descriptor, at, left = stretch.file.fileno(), stretch.extent.start, stretch.extent.size
            checksum = xxh3_64()
            try:
                while left and (block := free.get()) is not None:
                    count = os.preadv(descriptor, [block[:left]], at)
                    if not count:
                        break
                    checksum.update(block[:count])
                    self._digest.update(block[:count])
                    filled.put((block, count))
                    at, left = at + count, left - count
            except OSError:
                pass  # what is missing is made anew
            finally:
                filled.put(None)
            return checksum.intdigest()

        reading = self._threads.submit(read)
        try:
            while (part := filled.get()) is not None:
                block, count = part
                self._write(block[:count])
                free.put(block)
        finally:
            free.put(None)
        return reading.result()

    def _write(self, content: bytes | memoryview) -> None:
        self._file.write(content)
        self.size += len(content)
        self._unsynced += len(content)
        if self._unsynced >= _SYNCED_BYTES and (self._synced is None or self._synced.done()):
            # So that less is left for the end, where whoever commits the file syncs it.
            self._raise_from_disk()
            self._synced = self._threads.submit(os.fsync, self._file.fileno())
            self._unsynced = 0

    @property
    def facts(self) -> FileFacts:
        self._raise_from_disk()
        return FileFacts(bytes=self.size, xxh3_128=self._digest.hexdigest())

    def _raise_from_disk(self) -> None:
        """OSError of the last sync: the system tells an error once, so that a later sync would not hear of it."""
        if self._synced is not None:
            self._synced.result()
