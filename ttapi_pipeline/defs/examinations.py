# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Results of asset checks that are used again while the files that were examined are the same.

A run that reuses a dataset has nothing new to find in its rows, and to read them again costs seconds on a disk and
megabytes of traffic in an object store. For checks that depend on stored bytes alone: what depends on the clock or on
settings as well is examined every time. Whether the bytes are the ones that were written is not asked here: opening a
table tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import dagster as dg

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.defs.dagster_internals import recorded_evaluation, runs_with_its_asset
from ttapi_pipeline.storage.table import StoredTable

_EDITION: Final = "1"
"""Another one where the code of a check finds something else in the same rows, so that all are examined again."""
_TOKEN, _EXAMINED_AT = "examined", "examined_at"


@dataclass(frozen=True, slots=True)
class Examination:
    """The examination of a dataset's rows by the checks of one step.

    Attributes:
        context: Of the step.
        key: The dataset.
        files: Names the very files whose rows are examined; None where no manifest vouches for them.
        is_asked_for: Whether the checks run by themselves, so that somebody wants the rows to be read.
        now: Aware UTC.
    """

    context: dg.AssetCheckExecutionContext
    key: dg.AssetKey
    files: str | None
    is_asked_for: bool
    now: datetime

    @classmethod
    def of(cls, context: dg.AssetCheckExecutionContext, name: str, *tables: StoredTable, clock: Clock) -> "Examination":
        """The examination of rows of these tables, which were opened for it, by checks of one dataset."""
        known = [
            f"{table.manifest.write_id} {table.xxh3_128}"
            for table in tables
            if table.manifest is not None and table.manifest.parquet.xxh3_128 == table.xxh3_128
        ]
        files = " ".join(known) if len(known) == len(tables) else None
        is_asked_for = not runs_with_its_asset(context, name)
        return cls(context, dg.AssetKey(name), files, is_asked_for, clock.now())

    def found_before(self, check: str, by: str = "") -> dg.AssetCheckResult | None:
        """What a run before has found in the same files; None where the rows have to be read.

        Args:
            check: The name of the check.
            by: What it looks for, where that is not always the same, such as the condition of a rule.
        """
        token = self._token(by)
        if token is None or self.is_asked_for:
            return None
        found = recorded_evaluation(self.context.instance, dg.AssetCheckKey(self.key, check))
        if found is None or _text(found.metadata, _TOKEN) != token:
            return None
        return dg.AssetCheckResult(
            asset_key=self.key,
            check_name=check,
            passed=found.passed,
            severity=found.severity,
            description=found.description,
            metadata=found.metadata,
        )

    def noted(self, result: dg.AssetCheckResult, by: str = "") -> dg.AssetCheckResult:
        """A result with what a later run needs to use it again, and the time of the examination for people."""
        noted: dict[str, Any] = {_EXAMINED_AT: dg.MetadataValue.timestamp(self.now)}
        token = self._token(by)
        if token is not None:
            noted[_TOKEN] = dg.MetadataValue.text(token)
        return result._replace(metadata={**(result.metadata or {}), **noted})

    def _token(self, by: str) -> str | None:
        if self.files is None:
            return None
        return f"{self.files} {blake2b(f'{_EDITION} {by}'.encode(), digest_size=8).hexdigest()}"


def _text(metadata: Mapping[str, dg.MetadataValue[Any]], name: str) -> object:
    value = metadata.get(name)
    return None if value is None else value.value
