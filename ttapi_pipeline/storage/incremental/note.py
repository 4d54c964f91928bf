# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The note beside the data that says where each stored piece is. The pieces themselves: see `stored_pieces`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from ttapi_pipeline.core.files import replacing
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.seals import seal, unseal
from ttapi_pipeline.storage.hashing import HASHED_BY
from ttapi_pipeline.storage.layout import DatasetFiles, NoteKind

_FORMAT: Final = 4
"""Of the note and of the bytes: raised when either file is written in another way."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where some bytes are in a file, and their XXH3-64."""

    start: int
    size: int
    checksum: int


@dataclass(frozen=True, slots=True)
class NotedPiece:
    """The facts that are noted about a stored piece.

    Attributes:
        key: Of the piece.
        rows: Number of its rows.
        sums: What its rows add to the data version; see `ContentHash.sums`.
        first: Key columns of its first row, as text.
        last: Key columns of its last row, as text.
        groups: Number of its row groups in the Parquet file.
        parquet: Where these groups are.
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
class Note:
    """A note that was read.

    Attributes:
        write_id: Of the publication that it was written for.
        footer: XXH3-64 of the footer of the Parquet file, whose descriptions of row groups are copied.
        pieces: In the order of the file.
    """

    write_id: str
    footer: int
    pieces: Sequence[NotedPiece]


def write_note(files: DatasetFiles, manifest: Manifest, footer: int, pieces: Sequence[NotedPiece]) -> None:
    """Note the pieces of a publication for the next one; the caller holds the dataset's lock.

    Raises:
        OSError: The note cannot be written. Nothing but time is lost.
    """
    path = files.note(NoteKind.PIECES)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "write_id": manifest.write_id,
        "footer": footer,
        "pieces": [asdict(piece) for piece in pieces],
    }
    # A note that is cut short is not believed, so it need not be durable.
    with replacing(path, is_durable=False) as staged:
        staged.write_bytes(seal(json.dumps(document).encode(), by=_made_by(manifest.provenance.code_version)))


def read_note(files: DatasetFiles, *, code_version: str) -> Note | None:
    """Read the note of a dataset.

    Returns:
        None when there is no note, it is damaged, or another version of the dataset's code or of Polars wrote it.
    """
    path = files.note(NoteKind.PIECES)
    try:
        content = unseal(path.read_bytes(), by=_made_by(code_version))
        if content is None:
            return None
        document = json.loads(content)
        pieces = [_piece_from(piece) for piece in document["pieces"]]
        return Note(document["write_id"], document["footer"], pieces)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _made_by(code_version: str) -> str:
    return json.dumps(["pieces", _FORMAT, HASHED_BY, code_version])


def _piece_from(document: Mapping[str, object]) -> NotedPiece:
    def extent(name: str) -> Extent | None:
        value = document[name]
        return Extent(**value) if isinstance(value, dict) else None

    parquet = extent("parquet")
    if parquet is None:
        raise ValueError("a piece is nowhere")
    texts = {name: tuple(map(str, _items(document[name]))) for name in ("first", "last")}
    return NotedPiece(
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
        raise TypeError(f"{value!r} is not a list")
    return value
