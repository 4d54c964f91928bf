# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Takes a first look at each file, and puts files that can be read together into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.binary import Security
from ttapi_pipeline.metastock.dates import DateForm, DateOrder
from ttapi_pipeline.metastock.fingerprint import FileFact
from ttapi_pipeline.metastock.identity import file_ticker
from ttapi_pipeline.metastock.layout import Layout
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline.metastock.sniff import sniff_file


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file after the first look.

    Attributes:
        fact: The file, as its folder listed it.
        layout: How it can be scanned together with others; None when it has to be read with care.
        ticker: The first row's ticker; the ticker that the file's name stands for where rows have none.
        fault: Why the file cannot be read, in words; None when it may be readable.
        security: What the index says of a binary data file; None for text.
        is_closed: Whether the fault is one of the system, which may pass.
        is_index: Whether the file belongs to the index of binary data files, and so holds no rows.
        date_orders: Of dates that the file itself leaves open, as other files prove it; by their form.
    """

    fact: FileFact
    layout: Layout | None
    ticker: str
    fault: str | None = None
    is_closed: bool = False
    security: Security | None = None
    is_index: bool = False
    date_orders: Mapping[DateForm, DateOrder] = field(default_factory=dict)


def look_at(folder: Path, fact: FileFact, options: ImportOptions) -> Candidate:
    """Take a first look at a text file."""
    stem = file_ticker(fact.name)
    try:
        sniffed = sniff_file(folder / fact.name, code_page=options.code_page)
    except InvalidFormatError as error:
        return Candidate(fact, None, stem, str(error))
    except OSError as error:
        return Candidate(fact, None, stem, f"it cannot be read: {error.strerror or error}", is_closed=True)
    layout = sniffed.layout
    # Polars takes paths as text, and a file name need not be text.
    if layout is None or not layout.is_plain or layout.date_format is None or not fact.name.isprintable():
        layout = None
    return Candidate(fact, layout, stem if sniffed.ticker is None else sniffed.ticker)


def by_layout(candidates: Iterable[Candidate]) -> Mapping[Layout | None, Sequence[Candidate]]:
    """The candidates of each layout, which are scanned together; under None those that are read one by one."""
    groups: dict[Layout | None, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.layout, []).append(candidate)
    return groups


def batches(candidates: Iterable[Candidate]) -> Iterator[Sequence[Candidate]]:
    """Candidates to be read together: of one layout, by ticker, so that their rows come out sorted."""
    for layout, group in by_layout(candidates).items():
        yield from cut(layout, sorted(group, key=lambda each: (each.ticker, each.fact)))


def cut(layout: Layout | None, candidates: Iterable[Candidate]) -> Iterator[Sequence[Candidate]]:
    """Batches of candidates of one layout, in the given order."""
    most_bytes = limits.CAREFUL_BATCH_BYTES if layout is None else limits.BATCH_BYTES
    batch: list[Candidate] = []
    total = 0
    for candidate in candidates:
        if batch and total + candidate.fact.size > most_bytes:
            yield batch
            batch, total = [], 0
        batch.append(candidate)
        total += candidate.fact.size
    if batch:
        yield batch
