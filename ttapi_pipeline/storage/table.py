# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A stored table as its readers get it: rows and manifest together. Opening one is in `scan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttapi_pipeline.core.manifest import Manifest

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A stored table, and the manifest that was in place when it was opened.

    Attributes:
        frame: Its rows, lazily; the frame keeps the file that it was made from.
        manifest: Says what the rows are; None for a file that nothing vouches for.
        xxh3_128: Hash of the file that the rows are read from.
    """

    frame: pl.LazyFrame
    manifest: Manifest | None
    xxh3_128: str

    @property
    def data_version(self) -> str:
        """Hash of the content; ``unknown`` without a manifest."""
        return "unknown" if self.manifest is None else self.manifest.data_version

    @property
    def is_simulated(self) -> bool:
        """Whether any of the rows is invented."""
        return self.manifest is not None and self.manifest.provenance.is_simulated
