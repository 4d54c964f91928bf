# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One execution of some buckets of `daily_candles`: each is fetched in a turn of its own at the broker, and stored.

Retries, refusals and circuit breakers are those of any step that fetches.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import dagster as dg

from ttapi_pipeline.core.errors import CoverageError, TTError
from ttapi_pipeline.core.progress import current_board, watched
from ttapi_pipeline.datasets.daily_candles.bucket import BucketFetched, CandleBucket
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import read_status
from ttapi_pipeline.defs.assets.execution import refresh_of, spent_by, turn_at_broker
from ttapi_pipeline.defs.assets.interrupts import run_async
from ttapi_pipeline.defs.assets.progress_log import ProgressLog
from ttapi_pipeline.defs.failures import failures_of
from ttapi_pipeline.storage.scan import open_table

if TYPE_CHECKING:
    from ttapi_pipeline.defs.io_manager import ParquetCsvIOManager
    from ttapi_pipeline.defs.resources import ApiResource


def fetch_parts(
    context: dg.AssetExecutionContext, dataset: Dataset, *, api: object, io_manager: object, is_forced: bool
) -> dg.MaterializeResult[None]:
    """Fetch what is not there yet of the buckets of a run, one after the other.

    Args:
        context: Of the step, with the buckets.
        dataset: Whose rows.
        api: Settings, clock and broker.
        io_manager: Where the tables are stored.
        is_forced: Whether to fetch also what is there.

    Raises:
        dagster.Failure: Too little came of a bucket, or it could not be asked for. What came is stored, and the buckets
            that are whole are recorded.
        dagster.RetryRequested: Likewise, and the error may have passed in a moment.
    """
    opened, folder = cast("ApiResource", api), cast("ParquetCsvIOManager", io_manager).folder
    board, log = current_board(), ProgressLog(dataset.name, context.log)
    with watched(board), board.listening(log), failures_of(dataset, attempt=context.retry_number):
        before = opened.get().request_counts()
        tables = {name: open_table(folder, DATASETS[name].schema) for name in dataset.upstream}

        def bucket(key: str) -> CandleBucket:
            """As it is to be asked for at this moment, by what is stored now."""
            status = read_status(dataset, opened.settings, now=opened.clock.now(), folder=folder)
            refresh = refresh_of(dataset, opened, folder, status, tables, is_forced=is_forced, is_whole=False)
            return CandleBucket.of(refresh, key, **{name: table.frame for name, table in tables.items()})

        fetched = _Fetched()
        try:
            for key in context.partition_keys:
                fetched.add(key, _fetched(context, dataset, lambda: bucket(key)))  # noqa: B023 - called at once
            fetched.check()
        except TTError:
            for key in fetched.whole:
                context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=fetched.facts))
            raise
        return dg.MaterializeResult(metadata={**fetched.facts, **spent_by(opened.get(), before), **log.metadata()})


def _fetched(
    context: dg.AssetExecutionContext, dataset: Dataset, bucket: Callable[[], CandleBucket]
) -> BucketFetched | CoverageError | None:
    """What became of a bucket; None where it was there, and an error where too little of it came."""
    if bucket().is_there:
        return None
    # The others that wait get their turns between two buckets.
    with turn_at_broker(context, dataset, context.asset_key.to_user_string()):
        try:
            # The wait may have been long, and what is there is not asked for again.
            return run_async(bucket().fetch())
        except CoverageError as error:
            return error


@dataclass
class _Fetched:
    """The buckets of a run so far.

    Attributes:
        whole: Those that are there.
        short: Why too little came of the others.
        histories: How many were fetched.
    """

    whole: list[str] = field(default_factory=list)
    short: list[CoverageError] = field(default_factory=list)
    histories: int = 0

    @property
    def facts(self) -> dict[str, int]:
        return {"buckets": len(self.whole), "histories_fetched": self.histories}

    def add(self, key: str, found: BucketFetched | CoverageError | None) -> None:
        if isinstance(found, CoverageError):
            self.short.append(found)
            return
        self.whole.append(key)
        self.histories += 0 if found is None else found.histories - found.taken

    def check(self) -> None:
        """Raise the errors of all buckets as one."""
        if self.short:
            missing = {symbol: reason for each in self.short for symbol, reason in each.missing.items()}
            words = "; ".join(map(str, self.short))
            raise CoverageError(words, missing=missing, coverage=min(each.coverage for each in self.short))
