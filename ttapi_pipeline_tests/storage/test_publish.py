# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a publication leaves: three files that agree, or what was there before."""

from __future__ import annotations

import json
import os
import resource
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.errors import DataError, LockTimeoutError, MissingColumnError, StorageError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.files import file_facts
from ttapi_pipeline.storage.footer import FOOTER_KEY
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import read_csv_back, scan
from ttapi_pipeline.storage.stored import read_manifest, read_stored
from ttapi_pipeline.tables.schema import DatasetSchema

Make = Callable[..., pl.DataFrame]

VISIBLE = ["marks.csv", "marks.json", "marks.parquet"]


def visible(folder: Path) -> list[str]:
    """Everything but the lock file, which stays."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".marks.lock")


def test_the_three_files_agree(tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make) -> None:
    frame = marks_frame()
    complete = publish(frame, marks, tmp_path, provenance).wait()
    assert visible(tmp_path) == VISIBLE
    assert read_manifest(tmp_path, "marks") == complete
    assert complete.provenance == provenance
    assert complete.rows == 12
    assert complete.schema["fetched_at"] == "Datetime(time_unit='us', time_zone='UTC')"
    assert complete.data_version == data_version(frame)
    assert complete.parquet == file_facts(tmp_path / "marks.parquet")
    assert complete.csv == file_facts(tmp_path / "marks.csv")
    footer = json.loads(pl.read_parquet_metadata(tmp_path / "marks.parquet")[FOOTER_KEY])
    assert footer["write_id"] == complete.write_id
    assert footer["data_version"] == complete.data_version
    assert Provenance.from_document(footer) == provenance
    stored = read_stored(tmp_path, "marks")
    assert (stored.manifest, stored.lost_files, stored.is_lagging) == (complete, (), False)


def test_an_empty_dataset_can_be_published(tmp_path: Path, marks: DatasetSchema, provenance: Provenance) -> None:
    assert publish(pl.DataFrame(), marks, tmp_path / "new" / "folder", provenance).wait().rows == 0
    assert_frame_equal(read_csv_back(tmp_path / "new" / "folder", marks), marks.polars.to_frame())


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda f: pl.concat([f, f.head(1)]), DataError, "marks S0000, 2026-01-05 is there more than once"),
        (lambda f: f.with_columns(symbol=pl.lit(None, pl.String)), DataError, "symbol is null"),
        (lambda f: f.with_columns(fetched_at=None), DataError, "marks S0000, 2026-01-05: fetched_at is null"),
        (lambda f: f.with_columns(volume=pl.lit(0.5)), DataError, "volume is 0.5"),
        (lambda f: f.drop("close"), MissingColumnError, "lacks close"),
        (lambda f: f.with_columns(more=1), DataError, "does not name: more"),
    ],
)
def test_bad_rows_replace_nothing(
    *,
    tmp_path: Path,
    marks: DatasetSchema,
    provenance: Provenance,
    marks_frame: Make,
    lazy: bool,
    spoil: Callable[[pl.DataFrame], pl.DataFrame],
    error: type[DataError],
    message: str,
) -> None:
    publish(marks_frame(), marks, tmp_path, provenance)
    before = {name: (tmp_path / name).read_bytes() for name in VISIBLE}
    bad = spoil(marks_frame(close=99.0))
    with pytest.raises(error, match=message):
        publish(bad.lazy() if lazy else bad, marks, tmp_path, provenance)
    assert {name: (tmp_path / name).read_bytes() for name in visible(tmp_path)} == before
    publish(marks_frame(close=50.0), marks, tmp_path, provenance, lock_timeout_seconds=0)


def test_nothing_of_refused_rows_stays_however_busy_the_machine_is(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    bad, ended = marks_frame().with_columns(symbol=pl.lit(None, pl.String)), threading.Event()

    def keep_polars_busy() -> None:
        while not ended.is_set():
            pl.DataFrame({"number": range(20_000)}).sort("number", descending=True)

    with ThreadPoolExecutor(6) as others:
        for _ in range(6):
            others.submit(keep_polars_busy)
        try:
            for number in range(100):
                with pytest.raises(DataError):
                    publish(bad.lazy(), marks, tmp_path / f"{number}", provenance)
        finally:
            ended.set()
    assert [name for folder in tmp_path.iterdir() for name in visible(folder)] == []


def test_a_failing_query_is_a_data_error(tmp_path: Path, marks: DatasetSchema, provenance: Provenance) -> None:
    broken = marks.polars.to_frame().lazy().with_columns(close=pl.Series([1.0, 2.0]), volume=pl.Series([1, 2, 3]))
    with pytest.raises(DataError, match="marks cannot be computed"):
        publish(broken, marks, tmp_path, provenance)
    assert visible(tmp_path) == []


def test_rows_promised_in_order_are_checked(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    frame = marks_frame()
    publish(frame, marks, tmp_path, provenance, is_sorted=True)
    with pytest.raises(DataError, match="marks S0001, 2026-01-05 is not in the order of symbol, session"):
        publish(pl.concat([frame[8:], frame[4:8], frame[:4]]), marks, tmp_path, provenance, is_sorted=True)
    with pytest.raises(DataError, match="S0000, 2026-01-05 is there more than once"):
        publish(pl.concat([frame[:1], frame]), marks, tmp_path, provenance, is_sorted=True)
    assert_frame_equal(scan(tmp_path, marks).collect(), frame)


def test_the_csv_is_written_in_the_background_under_the_lock(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    go = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as executor:
        executor.submit(go.wait, 60)
        published = publish(marks_frame(), marks, tmp_path, provenance, executor=executor)
        assert scan(tmp_path, marks).collect().height == 12
        assert not (tmp_path / "marks.csv").exists()
        assert read_stored(tmp_path, "marks").is_lagging
        assert read_stored(tmp_path, "marks").lost_files == ()
        assert published.csv_error is None
        with pytest.raises(StorageError, match="not written in time"):
            published.wait(timeout_seconds=0)
        named = rf"marks was being written by process {os.getpid()} on \S+ since \S+ for 0\.01 s"
        with pytest.raises(LockTimeoutError, match=named):
            publish(marks_frame(), marks, tmp_path, provenance, lock_timeout_seconds=0.01)
        go.set()
        complete = published.wait()
    assert read_manifest(tmp_path, "marks") == complete
    assert complete.csv is not None
    assert published.csv_error is None


def test_a_csv_that_cannot_be_written_is_told_and_costs_nothing_else(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    publish(marks_frame(), marks, tmp_path, provenance)
    (tmp_path / "marks.csv").unlink()
    (tmp_path / "marks.csv").mkdir()
    published = publish(marks_frame(close=20.0), marks, tmp_path, provenance)
    with pytest.raises(StorageError, match=r"marks\.csv: Is a directory"):
        published.wait()
    assert isinstance(published.csv_error, StorageError)
    assert scan(tmp_path, marks).collect().height == 12
    assert read_stored(tmp_path, "marks").is_lagging
    assert visible(tmp_path) == VISIBLE


def test_a_cancelled_csv_frees_the_dataset(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    go = threading.Event()
    executor = ThreadPoolExecutor(max_workers=1)
    executor.submit(go.wait, 60)
    published = publish(marks_frame(), marks, tmp_path, provenance, executor=executor)
    executor.shutdown(wait=False, cancel_futures=True)
    go.set()
    assert "was cancelled" in str(published.csv_error)
    publish(marks_frame(), marks, tmp_path, provenance, lock_timeout_seconds=0).wait()


def test_the_second_writer_waits_for_the_first(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    first = FileLock(tmp_path / ".marks.lock")
    with ThreadPoolExecutor(max_workers=1) as executor:
        with first:
            second: Future[Manifest] = executor.submit(
                lambda: publish(marks_frame(), marks, tmp_path, provenance).wait()
            )
            assert not (tmp_path / "marks.parquet").exists()
        assert second.result(60).rows == 12


def test_a_file_where_the_folder_should_be_is_said(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    (tmp_path / "data").write_text("mine")
    for folder in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(StorageError, match="a file is where the data folder should be: move it"):
            publish(marks_frame(), marks, folder, provenance)
    assert (tmp_path / "data").read_text() == "mine"


@pytest.mark.parametrize(("limit", "name"), [(20_000, "parquet"), (600_000, "csv")])
def test_a_full_disk_is_said_and_leaves_nothing_behind(
    *, tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make, limit: int, name: str
) -> None:
    """The limit on file size stands in for the disk: the system refuses the write in the same place (EFBIG)."""
    publish(marks_frame(), marks, tmp_path, provenance)
    frame = marks_frame(symbols=5_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(StorageError, match=rf"marks\.{name}: File too large; free some space"):
            publish(frame, marks, tmp_path, provenance).wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert visible(tmp_path) == VISIBLE
    rows = scan(tmp_path, marks).collect().height
    assert rows == (12 if name == "parquet" else 20_000)
    assert read_stored(tmp_path, "marks").is_lagging == (name == "csv")


@pytest.mark.parametrize("turns", [6, pytest.param(300, marks=pytest.mark.soak)])
def test_readers_never_see_half_a_file(
    *, tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make, turns: int
) -> None:
    """Each publication has as many symbols as its prices say, so that a mixture would show."""
    versions = [marks_frame(close=float(symbols), symbols=symbols) for symbols in (300, 2_000, 700)]
    publish(versions[0], marks, tmp_path, provenance)
    is_done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not is_done.is_set():
            frame = scan(tmp_path, marks).collect()
            assert frame.height == 4 * int(frame["close"][0] - 5)
            manifest = read_manifest(tmp_path, "marks")
            assert manifest is not None
            seen.append(frame.height)
            lines = (tmp_path / "marks.csv").read_text(encoding="utf-8").splitlines()
            assert len(lines) == 1 + 4 * int(float(lines[1].split(",")[2]) - 5)

    with ThreadPoolExecutor(max_workers=2) as executor:
        readers = [executor.submit(read) for _ in range(2)]
        try:
            for turn in range(turns):
                publish(versions[turn % 3], marks, tmp_path, provenance).wait()
        finally:
            is_done.set()
        for reader in readers:
            reader.result(60)
    assert len(seen) > 2


def test_a_frame_keeps_reading_the_file_it_was_made_from(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    publish(marks_frame(), marks, tmp_path, provenance)
    before = scan(tmp_path, marks)
    publish(marks_frame(close=99.0, symbols=500), marks, tmp_path, provenance)
    assert_frame_equal(before.collect(), marks_frame())
    assert scan(tmp_path, marks).collect().height == 2_000


def test_a_dataset_can_be_made_from_what_is_stored_of_it(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    publish(marks_frame(), marks, tmp_path, provenance)
    more = marks_frame(symbols=5).lazy().filter(pl.col("symbol") > "S0002")
    publish(pl.concat([scan(tmp_path, marks), more]), marks, tmp_path, provenance)
    assert_frame_equal(scan(tmp_path, marks).collect(), marks_frame(symbols=5))
