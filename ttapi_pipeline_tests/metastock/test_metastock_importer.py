# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.frames import BARS
from ttapi_pipeline.metastock.importer import FolderImport, import_folder
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.flips import flip_any_bit
from ttapi_pipeline_tests.support.metastock import check_account

ROW = "{},{},10,11,9,{},100\n"


def put(path: Path, text: str, *, at: int) -> None:
    """Write a file as if it had been changed `at` seconds after 1970."""
    path.write_text(text)
    os.utime(path, ns=(at * 10**9, at * 10**9))


@contextmanager
def small_limits() -> Iterator[None]:
    """Batches and ranges so small that a few rows make many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "BATCH_BYTES", 200)
        patch.setattr(limits, "CAREFUL_BATCH_BYTES", 100)
        patch.setattr(limits, "MOST_SMALL_BATCHES", 3)
        patch.setattr(limits, "RANGE_ROWS", 3)
        yield


def assert_same(one: FolderImport, other: FolderImport) -> None:
    assert_frame_equal(one.bars.collect(engine="streaming"), other.bars.collect(engine="streaming"), check_exact=True)
    assert_frame_equal(one.files, other.files)
    assert_frame_equal(one.rejects, other.rejects)
    assert_frame_equal(one.rows_per_symbol, other.rows_per_symbol)
    assert_frame_equal(one.notices, other.notices)


LINES = st.lists(
    st.one_of(
        st.builds(
            ROW.format,
            st.sampled_from(["A", "AA", "B.N", "BRKb.N", "C"]),
            st.sampled_from(["20260102", "20260105", "20260106", "2026-01-07"]),
            st.integers(9, 11),
        ),
        st.sampled_from(["A,20260102,10,11,9,x,1\n", "A,20260102,10,11,9,10,1,5,6\n", "\n", "?,20260102,1,1,1,1,1\n"]),
    ),
    max_size=5,
)
CONTENTS = st.tuples(st.sampled_from(["", "TICKER,DATE,OPEN,HIGH,LOW,CLOSE,VOL\n"]), LINES).map(
    lambda parts: parts[0] + "".join(parts[1])
)
FOLDERS = st.dictionaries(st.sampled_from(["a.txt", "b.csv", "B.txt", "c.mst", "A.txt"]), CONTENTS, max_size=5)


# An example is up to twelve imports, hence half as many.
@settings(max_examples=examples(50) // 2, deadline=None)
@given(states=st.lists(FOLDERS, min_size=1, max_size=6))
def test_any_sequence_of_increments_gives_what_a_full_import_gives(states: list[Mapping[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name, small_limits():
        folder, cache = Path(name, "files"), Path(name, "cache")
        folder.mkdir()
        present: dict[str, str] = {}
        for at, state in enumerate(states, start=1):
            changed = {file for file, text in state.items() if present.get(file) != text}
            for file in present.keys() - state.keys():
                (folder / file).unlink()
            for file in changed:
                put(folder / file, state[file], at=at)
            present = dict(state)
            increment = import_folder(folder, cache=cache)
            check_account(increment)
            assert_same(increment, import_folder(folder))
            assert increment.files_read <= len(changed)


def test_only_what_changed_is_read(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    for number in range(5):
        put(folder / f"S{number}.txt", ROW.format(f"S{number}", "20260102", 10), at=1)
    assert import_folder(folder, cache=cache).files_read == 5
    assert import_folder(folder, cache=cache).files_read == 0
    put(folder / "S3.txt", ROW.format("S3", "20260102", 11), at=2)
    (folder / "S1.txt").unlink()
    put(folder / "S9.txt", ROW.format("S9", "20260102", 9), at=2)
    result = import_folder(folder, cache=cache)
    assert result.files_read == 2
    assert result.bars.select("symbol", "close").collect().rows() == [
        ("S0", 10.0),
        ("S2", 10.0),
        ("S3", 11.0),
        ("S4", 10.0),
        ("S9", 9.0),
    ]


def test_by_content_a_touched_file_is_known_and_a_forged_one_is_found(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    put(folder / "X.txt", ROW.format("X", "20260102", 10), at=1)
    first = import_folder(folder, cache=cache, by_content=True)
    assert first.files_read == 1
    put(folder / "X.txt", ROW.format("X", "20260102", 10), at=2)
    touched = import_folder(folder, cache=cache, by_content=True)
    assert touched.files_read == 0
    # Its bars say when it was touched, so they are others.
    assert touched.written_at[0] > first.written_at[0]
    assert touched.versions(touched.ranges()) != first.versions(first.ranges())
    # The same size and time, another price.
    put(folder / "X.txt", ROW.format("X", "20260102", 11), at=2)
    assert import_folder(folder, cache=cache, by_content=True).bars.collect()["close"].to_list() == [11.0]


def test_a_damaged_batch_is_read_again(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    put(folder / "X.txt", ROW.format("X", "20260102", 10), at=1)
    import_folder(folder, cache=cache)
    whole = import_folder(folder)
    for frame in ("rows", "known", "contents", "rejects"):
        (path,) = cache.glob(f"*/*/{frame}.parquet")
        path.write_bytes(path.read_bytes()[:-9])
        again = import_folder(folder, cache=cache)
        assert again.files_read == 1
        assert_same(again, whole)
    (path,) = cache.glob("*/*/rows.parquet")
    shutil.rmtree(path.parent)
    assert import_folder(folder, cache=cache).files_read == 1


@settings(max_examples=examples(40), deadline=None)
@given(chance=st.randoms(use_true_random=False))
def test_one_bit_of_the_cache_costs_time_and_no_price(chance: random.Random) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name, "files"), Path(name, "cache")
        folder.mkdir()
        for number in range(3):
            put(folder / f"S{number}.txt", ROW.format(f"S{number}", "20260102", 10 + number), at=1)
        import_folder(folder, cache=cache)
        files = sorted(path for path in cache.rglob("*") if path.is_file() and path.stat().st_size)
        flip_any_bit(chance.choice(files), chance)
        assert_same(import_folder(folder, cache=cache), import_folder(folder))
        assert import_folder(folder, cache=cache).files_read == 0


def test_a_cache_that_is_not_trusted_is_not_used_and_is_made_anew(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    put(folder / "X.txt", ROW.format("X", "20260102", 10), at=1)
    import_folder(folder, cache=cache)
    assert import_folder(folder, cache=cache, is_cache_trusted=False).files_read == 1
    assert import_folder(folder, cache=cache).files_read == 0


def test_other_options_and_another_symbol_map_make_the_cache_void(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    put(folder / "X.txt", ROW.format("X", "20260102", 10), at=1)
    import_folder(folder, cache=cache)
    lots = import_folder(folder, cache=cache, options=ImportOptions(volume_multiplier=100.0))
    assert (lots.files_read, lots.bars.collect()["volume"].item()) == (1, 10_000.0)
    mapped = import_folder(folder, cache=cache, symbol_map={"X": "META"})
    assert (mapped.files_read, mapped.bars.collect()["symbol"].item()) == (1, "META")
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1


def test_many_small_batches_become_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(limits, "MOST_SMALL_BATCHES", 4)
    for number in range(9):
        put(folder / f"S{number}.txt", ROW.format(f"S{number}", "20260102", 10) + "S,1,,,,x\n", at=1)
        result = import_folder(folder, cache=cache)
        assert result.files_read == 1
        assert len(list(cache.glob("*/*/rows.parquet"))) <= 4
        assert_same(result, import_folder(folder))
    assert import_folder(folder, cache=cache).files_read == 0


def test_bars_read_some_columns_some_symbols_and_some_rows(tmp_path: Path) -> None:
    for symbol in "ABC":
        put(tmp_path / f"{symbol}.txt", "".join(ROW.format(symbol, f"2026010{day}", 10) for day in (5, 6, 7)), at=1)
    with small_limits():
        result = import_folder(tmp_path)
        assert len(result.ranges()) == 3
        assert result.bars.filter(pl.col("symbol") == "B").select("close").collect().height == 3
        assert result.bars.head(4).collect()["symbol"].to_list() == ["A", "A", "A", "B"]
        assert result.bars.collect().schema == BARS
        assert result.read(("B", "C"), columns=["symbol", "close"]).columns == ["symbol", "close"]
        others = pl.DataFrame({"symbol": ["0", "Z"], "rows": [3, 3]})
        assert result.ranges(others=others)[0] == ("", "A")


def test_bars_stay_readable_while_another_process_replaces_what_they_are_read_from(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    for symbol in "ABC":
        put(folder / f"{symbol}.txt", ROW.format(symbol, "20260102", 10), at=1)
    first, again = import_folder(folder, cache=cache), import_folder(folder, cache=cache)
    put(folder / "B.txt", ROW.format("B", "20260102", 10.5), at=2)
    second = import_folder(folder, cache=cache, is_cache_trusted=False)
    assert [each.bars.collect()["close"].to_list() for each in (first, again, second)] == [
        [10.0, 10.0, 10.0],
        [10.0, 10.0, 10.0],
        [10.0, 10.5, 10.0],
    ]


def test_an_unwritable_cache_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StorageError, match="cache"):
        import_folder(tmp_path / "files", cache=tmp_path / "cache")


def test_what_a_killed_import_left_is_removed(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    put(folder / "X.txt", ROW.format("X", "20260102", 10), at=1)
    import_folder(folder, cache=cache)
    (key,) = [path for path in cache.iterdir() if path.is_dir()]
    (key / "00000002-dead.staged").mkdir()
    assert import_folder(folder, cache=cache).files_read == 0
    assert not list(key.glob("*.staged"))


def test_a_full_disk_leaves_no_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    put(folder / "X.txt", ROW.format("X", "20260102", 10), at=1)

    def refuse(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ttapi_pipeline.core.files.sync", refuse)
    with pytest.raises(StorageError, match="free some space"):
        import_folder(folder, cache=cache)
    monkeypatch.undo()
    assert not list(cache.glob("*/*"))
    assert import_folder(folder, cache=cache).files_read == 1
