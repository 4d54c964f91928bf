# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table in parts in an object store: of two writers none loses a session, and the list is never the only place."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from ttapi_pipeline.core.errors import CorruptFileError, DataError, StorageError
from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.session_table import PARTS, Part, SessionTable, session_table
from ttapi_pipeline.tables.schema import DATE, FLOAT, STRING, Column, DatasetSchema, required
from ttapi_pipeline_tests.support.slow_proxy import Traffic

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 11, day) for day in (23, 24, 25))
AT = datetime(2026, 11, 23, 21, tzinfo=UTC)
RANKS = DatasetSchema(
    "ranks",
    (required("session", DATE, "Day"), required("symbol", STRING, "Symbol"), Column("rank", FLOAT, "0 to 1")),
    key=("session", "symbol"),
)


def put(table: SessionTable, session: date, made_at: datetime = AT, **ranks: float) -> Part:
    rows = pl.DataFrame(
        {"session": [session] * len(ranks), "symbol": list(ranks), "rank": list(ranks.values())}, schema=RANKS.polars
    )
    part = Part(
        session=session,
        file="",
        facts=FileFacts(bytes=0, xxh3_128=""),
        rows=0,
        data_version="",
        code_version="1",
        made_from="abc",
        known_at=AT,
        is_simulated=False,
    )
    return table.put(rows, part, made_at=made_at)


def ranks(prefix: ObjectPath) -> list[tuple[date, str, float]]:
    return session_table(prefix, RANKS).scan().collect().rows()


def test_two_writers_at_the_same_time_lose_no_session(prefix: ObjectPath, counted: Traffic) -> None:
    days = [MONDAY + timedelta(days=number) for number in range(8)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda day: put(session_table(prefix, RANKS), day, A=day.day / 100), days))
    assert ranks(prefix) == [(day, "A", day.day / 100) for day in days]
    assert counted.requests


def test_a_session_that_is_made_again_replaces_itself_alone_and_a_frame_from_before_still_reads(
    prefix: ObjectPath,
) -> None:
    for session in (MONDAY, TUESDAY):
        put(session_table(prefix, RANKS), session, A=0.1)
    before = session_table(prefix, RANKS).scan()
    put(session_table(prefix, RANKS), TUESDAY, A=0.9, B=0.5)
    assert before.collect().rows() == [(MONDAY, "A", 0.1), (TUESDAY, "A", 0.1)]
    assert ranks(prefix) == [(MONDAY, "A", 0.1), (TUESDAY, "A", 0.9), (TUESDAY, "B", 0.5)]


@pytest.mark.parametrize("content", [None, b"{", b'{"parts": []}'])
def test_a_list_that_is_lost_or_damaged_is_made_from_the_footers(prefix: ObjectPath, content: bytes | None) -> None:
    table = session_table(prefix, RANKS)
    for session, made_at, rank in (
        (MONDAY, AT, 0.1),
        (TUESDAY, AT, 0.2),
        (TUESDAY, AT + timedelta(hours=1), 0.3),
    ):
        put(table, session, made_at, A=rank)
    parts = dict(table.parts())
    path = prefix / "ranks" / PARTS
    if content is None:
        bucket.remove([path])
    else:
        bucket.write(path, content)
    assert session_table(prefix, RANKS).parts() == parts
    put(session_table(prefix, RANKS), WEDNESDAY, A=0.4)
    assert ranks(prefix) == [(MONDAY, "A", 0.1), (TUESDAY, "A", 0.3), (WEDNESDAY, "A", 0.4)]


def test_a_file_that_is_gone_or_was_cut_is_named(prefix: ObjectPath) -> None:
    monday, tuesday = (put(session_table(prefix, RANKS), session, A=0.1) for session in (MONDAY, TUESDAY))
    bucket.write(prefix / "ranks" / tuesday.file, b"PAR1")
    table = session_table(prefix, RANKS)
    assert [table.is_there(part) for part in (monday, tuesday)] == [True, False]
    with pytest.raises(CorruptFileError, match=tuesday.file):
        table.scan()
    bucket.remove([prefix / "ranks" / tuesday.file])
    with pytest.raises(StorageError, match=rf"{tuesday.file} is gone"):
        session_table(prefix, RANKS).scan()
    assert session_table(prefix, RANKS).scan([MONDAY]).collect().rows() == [(MONDAY, "A", 0.1)]


def test_a_column_that_came_later_is_null_in_the_sessions_before(prefix: ObjectPath) -> None:
    put(session_table(prefix, RANKS), MONDAY, A=0.1)
    wider = DatasetSchema("ranks", (*RANKS.columns, Column("source", STRING, "From where")), RANKS.key)
    assert session_table(prefix, wider).scan().collect().rows() == [(MONDAY, "A", 0.1, None)]


def test_rows_that_are_not_of_the_table_change_nothing(prefix: ObjectPath) -> None:
    put(session_table(prefix, RANKS), MONDAY, A=0.1)
    rows = pl.DataFrame({"session": [TUESDAY] * 2, "symbol": ["A"] * 2, "rank": [0.1, 0.2]}, schema=RANKS.polars)
    table = session_table(prefix, RANKS)
    with pytest.raises(DataError):
        table.put(rows, table.parts()[MONDAY], made_at=AT)
    assert ranks(prefix) == [(MONDAY, "A", 0.1)]
    assert len([each for each in bucket.listed(prefix) if each.path.name.endswith(".parquet")]) == 1


def test_nothing_stored_is_said_in_a_sentence(prefix: ObjectPath) -> None:
    assert session_table(prefix, RANKS).parts() == {}
    with pytest.raises(StorageError, match="nothing is stored of the sessions"):
        session_table(prefix, RANKS).scan()
