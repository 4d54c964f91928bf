# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How the snapshot is made: what the settings say of MetaStock files and of bringing them together with candles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ttapi_pipeline.core.extra_symbols import extra_symbols
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.metastock.options import DEFAULT_OPTIONS, ImportOptions, import_options
from ttapi_pipeline.metastock.symbol_map import read_symbol_map
from ttapi_pipeline.storage.places import cache_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotOptions:
    """How the snapshot is made.

    Attributes:
        cache: Where the import keeps what it read, and what the survey found; None for nowhere.
        symbol_map: Canonical symbol per ticker as the files spell it.
        reading: How to read what the files leave open.
        by_content: See `import_folder`.
        adjustment: What the MetaStock prices are adjusted for.
        is_rescaling: See `merge_sources`.
        is_cache_trusted: Whether what is kept in `cache` may be used; in any case it is kept.
        today: The exchange's date: rows of the files that are later are rejected. None accepts any date.
        extra: Symbols of the files that are wanted besides the universe; None for all of them.
    """

    cache: Path | None = None
    symbol_map: Mapping[str, str] = field(default_factory=dict)
    reading: ImportOptions = DEFAULT_OPTIONS
    by_content: bool = False
    adjustment: str = "unknown"
    is_rescaling: bool = False
    is_cache_trusted: bool = True
    today: date | None = None
    extra: frozenset[str] | None = None


def snapshot_options(
    settings: Settings, *, is_cache_trusted: bool = True, today: date | None = None
) -> SnapshotOptions:
    """The options that settings make.

    Raises:
        InvalidFormatError: The file of the symbol map, or one of symbols, is not one.
        StorageError: It cannot be read.
    """
    path = settings.metastock_symbol_map
    return SnapshotOptions(
        cache=cache_folder(settings) / "metastock",
        symbol_map={} if path is None else read_symbol_map(path),
        reading=import_options(settings),
        by_content=settings.metastock_by_content,
        adjustment=settings.metastock_adjustment,
        is_rescaling=settings.rescale_candles,
        is_cache_trusted=is_cache_trusted,
        today=today,
        extra=extra_symbols(settings.metastock_extra),
    )
