# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table in parts: each session's file stays as it is, and the list of them is never the only place that knows."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.errors import CorruptFileError, DataError, StorageError
from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.storage.local_sessions import LocalSessionTable
from ttapi_pipeline.storage.session_table import PARTS, Part, session_table
from ttapi_pipeline.tables.schema import DATE, FLOAT, STRING, Column, DatasetSchema, required
from ttapi_pipeline_tests.support.flips import flip_bit

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 11, day) for day in (23, 24, 25))
AT = datetime(2026, 11, 23, 21, tzinfo=UTC)
RANKS = DatasetSchema(
    "ranks",
    (required("session", DATE, "Day"), required("symbol", STRING, "Symbol"), Column("rank", FLOAT, "0 to 1")),
    key=("session", "symbol"),
)


def rows(session: date, **ranks: float) -> pl.DataFrame:
    return pl.DataFrame(
        {"session": [session] * len(ranks), "symbol": list(ranks), "rank": list(ranks.values())}, schema=RANKS.polars
    )


def put(
    table: LocalSessionTable, session: date, *, made_at: datetime = AT, is_simulated: bool = False, **ranks: float
) -> Part:
    part = Part(
        session=session,
        file="",
        facts=FileFacts(bytes=0, xxh3_128=""),
        rows=0,
        data_version="",
        code_version="1",
        made_from="abc",
        known_at=AT,
        is_simulated=is_simulated,
        counts={"missing": 1},
    )
    return table.put(rows(session, **ranks), part, made_at=made_at)


@pytest.fixture
def table(tmp_path: Path) -> LocalSessionTable:
    return LocalSessionTable(tmp_path / RANKS.name, RANKS)


def test_the_parts_are_one_table_sorted_by_session_and_key(table: LocalSessionTable) -> None:
    put(table, TUESDAY, B=0.4, A=0.3)
    put(table, MONDAY, A=0.1)
    read = table.scan().collect()
    assert read.rows() == [(MONDAY, "A", 0.1), (TUESDAY, "A", 0.3), (TUESDAY, "B", 0.4)]
    assert read.schema == RANKS.polars
    assert table.scan([TUESDAY]).collect().height == 2
    assert [(part.session, part.rows, dict(part.counts)) for part in table.parts().values()] == [
        (MONDAY, 1, {"missing": 1}),
        (TUESDAY, 2, {"missing": 1}),
    ]


def test_a_session_that_is_made_again_replaces_itself_alone_and_a_frame_from_before_still_reads(
    table: LocalSessionTable,
) -> None:
    monday = put(table, MONDAY, A=0.1)
    before = put(table, TUESDAY, A=0.2)
    opened = table.scan()
    after = put(table, TUESDAY, A=0.9)
    assert opened.collect()["rank"].to_list() == [0.1, 0.2]
    assert table.scan().collect()["rank"].to_list() == [0.1, 0.9]
    assert table.parts()[MONDAY] == monday
    assert before.file != after.file
    # An hour later, the next one that is put takes it away.
    os.utime(table.folder / before.file, (0, 0))
    put(table, WEDNESDAY, A=0.5)
    assert sorted(path.name for path in table.folder.glob("*.parquet")) == sorted(
        part.file for part in table.parts().values()
    )


def test_a_list_that_is_lost_or_damaged_is_made_from_the_footers(table: LocalSessionTable) -> None:
    put(table, MONDAY, A=0.1)
    put(table, TUESDAY, A=0.2)
    put(table, TUESDAY, made_at=AT + timedelta(hours=1), A=0.9)
    (table.folder / "2026-11-26-12345678.parquet").write_bytes(b"somebody else's")
    known = table.parts()
    list_of_parts = table.folder / PARTS
    text = list_of_parts.read_text()
    for damaged in (None, "", text.replace("0.1", "0.2").replace("2026-11-23", "2026-11-20", 1)):
        list_of_parts.unlink() if damaged is None else list_of_parts.write_text(damaged)
        assert table.parts() == known
        assert table.scan().collect()["rank"].to_list() == [0.1, 0.9]
    # The next session writes the list again, with what the footers told.
    put(table, WEDNESDAY, A=0.5)
    assert set(LocalSessionTable(table.folder, RANKS).parts()) == {MONDAY, TUESDAY, WEDNESDAY}
    assert "2026-11-24" in list_of_parts.read_text()


def test_a_damaged_file_is_named_and_the_other_sessions_can_be_read(table: LocalSessionTable) -> None:
    put(table, MONDAY, A=0.1)
    damaged = put(table, TUESDAY, A=0.2)
    flip_bit(table.folder / damaged.file, 40, 3)
    with pytest.raises(CorruptFileError, match=rf"{damaged.file} is damaged.*delete it, and the next refresh"):
        table.scan()
    assert table.scan([MONDAY]).collect().height == 1
    (table.folder / damaged.file).unlink()
    assert not table.is_there(damaged)
    with pytest.raises(StorageError, match=f"{damaged.file} is gone; the next refresh"):
        table.scan()


def test_a_column_that_came_later_is_null_in_the_sessions_before(tmp_path: Path, table: LocalSessionTable) -> None:
    put(table, MONDAY, A=0.1)
    wider = DatasetSchema("ranks", (*RANKS.columns, Column("source", STRING, "From where")), RANKS.key)
    read = session_table(tmp_path, wider).scan().collect()
    assert read.rows() == [(MONDAY, "A", 0.1, None)]


def test_rows_that_are_not_of_the_table_change_nothing(table: LocalSessionTable) -> None:
    put(table, MONDAY, A=0.1)
    before = table.parts()
    twice = pl.concat([rows(TUESDAY, A=0.1), rows(TUESDAY, A=0.2)])
    with pytest.raises(DataError, match="more than once"):
        table.put(twice, before[MONDAY], made_at=AT)
    assert table.parts() == before
    assert len(list(table.folder.iterdir())) == 2


def test_invented_sessions_can_be_put_out_of_the_list_with_the_first_real_one(table: LocalSessionTable) -> None:
    put(table, MONDAY, is_simulated=True, A=0.1)
    part = put(table, TUESDAY, is_simulated=True, A=0.2)
    table.put(rows(WEDNESDAY, A=0.5), part, made_at=AT, instead_of={MONDAY, TUESDAY})
    # The part said Tuesday, whose rows it replaces.
    assert list(table.parts()) == [TUESDAY]


def test_nothing_stored_is_said_in_a_sentence(table: LocalSessionTable) -> None:
    assert table.parts() == {}
    with pytest.raises(StorageError, match="nothing is stored of the sessions that were asked for"):
        table.scan()
