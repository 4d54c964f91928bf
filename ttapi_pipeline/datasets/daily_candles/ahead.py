# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Histories fetched ahead of a refresh, by a process per bucket of symbols, on any machine.

A part is one file beside the data (see `datasets.parts`): a ZIP of complete histories, each as the feed gave it, with
when it came and from where on it was asked for. A refresh takes those that it would ask for, and asks for all others.
Histories that a killed run had fetched by itself are in `spool`, which is on one machine.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Self

from ttapi_pipeline.core.manifest import Fact
from ttapi_pipeline.core.sessions import NEW_YORK, last_settled_session, session_under_way
from ttapi_pipeline.datasets.daily_candles.bars import FetchedBars
from ttapi_pipeline.datasets.daily_candles.encoding import FORMAT, decoded, encoded, file_name
from ttapi_pipeline.datasets.daily_candles.table import DATASET
from ttapi_pipeline.datasets.parts import MadeFrom, empty_parts, read_verified, write_verifiable
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.tables.symbol_buckets import bucket_of, in_buckets

_DEFLATED: Final = 1
"""The level of compression: a tenth of the time of the best one, for nearly its size."""


@dataclass(frozen=True, slots=True)
class CandleParts:
    """The histories that are there of each bucket of symbols.

    Attributes:
        folder: The data folder.
        made_from: What they have to be of: the origin, the last settled session, and the one that is under way.
        buckets: How many there are.
        is_trusted: Whether any may be taken.
        seen: The buckets of which something was there.
    """

    folder: Folder
    made_from: MadeFrom
    buckets: int
    is_trusted: bool = True
    seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, refresh: Refresh) -> Self:
        """Those that a refresh may take."""
        return cls(
            refresh.folder,
            MadeFrom(
                dataset=DATASET.name,
                code_version=f"{DATASET.code_version} {FORMAT}",
                # What it asks for is in the names of the histories.
                inputs={},
                settings={"origin": refresh.settings.origin},
                as_of=last_settled_session(refresh.now).session,
                # Before it is over, its bar is another one every minute, and afterwards it is the last settled one.
                under_way=session_under_way(refresh.now),
            ),
            refresh.settings.partitions,
            is_trusted=not refresh.is_forced,
        )

    def take(
        self, starts: Mapping[str, date], streamers: Mapping[str, str], *, now: datetime, not_before: datetime | None
    ) -> Iterator[tuple[CandleHistory, datetime]]:
        """The histories that are there, each with when it was fetched. One bucket is in memory at a time.

        Args:
            starts: The first session that each symbol is to be asked for.
            streamers: What the feed calls each symbol.
            now: The present time. A history with a later bar than of its day is not taken.
            not_before: One that was fetched earlier is not taken.
        """
        if not self.is_trusted:
            return
        today = now.astimezone(NEW_YORK).date()
        for key, symbols in in_buckets(starts, self.buckets).items():
            content = read_verified(self.folder, DATASET, key) if symbols else None
            if content is None:
                continue
            self.seen.add(key)
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if archive.comment != self.made_from.to_text().encode():
                    continue
                moments = {each.filename: datetime.fromisoformat(each.comment.decode()) for each in archive.infolist()}
                for symbol in symbols:
                    streamer, start = streamers[symbol], starts[symbol]
                    name = file_name(streamer, start)
                    fetched_at = moments.get(name)
                    if fetched_at is None or (not_before is not None and fetched_at < not_before):
                        continue
                    history = decoded(archive.read(name), streamer, start, last_session=today)
                    if history is not None:
                        yield history.renamed(symbol), min(fetched_at, now)

    def put(self, key: str, fetched: FetchedBars, starts: Mapping[str, date], streamers: Mapping[str, str]) -> None:
        """Store the histories of a bucket in place of those of before; arguments as of `take`.

        Raises:
            StorageError: They cannot be written.
        """
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=_DEFLATED) as archive:
            archive.comment = self.made_from.to_text().encode()
            for symbol in sorted(fetched.symbols):
                streamer, start = streamers[symbol], starts[symbol]
                # Its time is always the same, so that the same histories are the same file.
                member = zipfile.ZipInfo(file_name(streamer, start))
                member.comment = fetched.earlier.get(symbol, fetched.now).isoformat().encode()
                history = fetched.histories.of(symbol).renamed(streamer)
                archive.writestr(member, encoded(history, start), zipfile.ZIP_DEFLATED, _DEFLATED)
        write_verifiable(self.folder, DATASET, key, content.getvalue())

    def clear(self) -> None:
        """Forget what was seen: it is published, or out of date, and the histories are as large as the table."""
        empty_parts(self.folder, DATASET, self.seen)

    def counted(self, taken: Mapping[str, datetime]) -> Mapping[str, Fact]:
        """Figures for the manifest: how many histories were taken, and of how many buckets."""
        buckets = {bucket_of(symbol, self.buckets) for symbol in taken}
        return {"buckets": self.buckets, "buckets_taken": len(buckets), "histories_taken": len(taken)}
