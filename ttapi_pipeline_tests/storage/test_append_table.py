# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table in parts is all of its rows, each once, at every instant and after a crash at any moment."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.storage.append_table import FAN_IN, Part, PartTable, list_parts, next_merge, scan_parts, tiling
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.flips import flip_any_bit

SCHEMA = pl.Schema({"row": pl.Int64(), "symbol": pl.String()})


def rows(*numbers: int) -> pl.DataFrame:
    return pl.DataFrame({"row": list(numbers), "symbol": [f"S{number}" for number in numbers]}, schema=SCHEMA)


def stored(folder: Path) -> list[int]:
    return scan_parts(folder, SCHEMA).collect()["row"].to_list()


def ranges(parts: Any) -> list[tuple[int, int]]:
    return [(part.first, part.last) for part in parts]


def part_file(folder: Path, first: int, last: int) -> Path:
    (part,) = (each for each in list_parts(folder) if (each.first, each.last) == (first, last))
    return folder / part.name


def settle(table: PartTable) -> None:
    while table.tidy():
        pass


class Crash(BaseException):
    """As good as SIGKILL for what is on disk: nothing that would tidy up gets to."""


@contextmanager
def crashing_at(moment: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End in the middle of the block, before or after the n-th change of the folder."""
    left = moment

    def failing(change: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            if left <= 0:
                raise Crash
            left -= 1
            result = change(*arguments, **named)
            if left <= 0:
                raise Crash
            left -= 1
            return result

        return wrapper

    with monkeypatch.context() as patch:
        for owner, name in (
            (Path, "replace"),
            (Path, "unlink"),
            (pl.DataFrame, "write_parquet"),
            (pl.LazyFrame, "sink_parquet"),
        ):
            patch.setattr(owner, name, failing(getattr(owner, name)))
        with suppress(Crash):
            yield


class TestOrder:
    def test_a_part_s_name_says_all_about_it(self) -> None:
        part = Part("20261120T14", 17, 32)
        assert part.name == "20261120T14~000000017-000000032.parquet"
        assert Part.read_name(part.name) == part
        assert Part.read_name(f".{part.name}.0.staged") is None
        assert Part.read_name("gaps.jsonl") is None

    def test_what_is_contained_in_another_part_counts_for_nothing(self) -> None:
        found = tiling([Part("a", 3, 3), Part("a", 1, 2), Part("a", 2, 2), Part("a", 1, 1), Part("a", 6, 7)])
        assert ranges(found.parts) == [(1, 2), (3, 3), (6, 7)]
        assert sorted(ranges(found.superseded)) == [(1, 1), (2, 2)]
        assert found.holes == [(4, 5)]
        assert found.last == 7

    def test_sixteen_parts_of_one_size_are_merged_and_fifteen_are_not(self) -> None:
        parts = [Part("a", number, number) for number in range(1, FAN_IN + 1)]
        assert next_merge(parts) == parts
        assert not next_merge(parts[:-1])
        wide = [Part("a", 1 + 16 * number, 16 + 16 * number) for number in range(FAN_IN)]
        assert next_merge([*wide[:-1], *[Part("a", 241 + n, 241 + n) for n in range(3)]]) == ()
        assert next_merge([*wide, Part("a", 257, 257)]) == wide

    def test_an_hour_that_has_ended_becomes_one_part(self) -> None:
        parts = [Part("a", 1, 16), Part("a", 17, 17), Part("b", 18, 18)]
        assert next_merge(parts) == parts[:2]
        assert not next_merge([Part("a", 1, 17), Part("b", 18, 18)])

    def test_each_row_is_rewritten_three_times_in_an_hour_of_two_second_flushes(self) -> None:
        parts: list[Part] = []
        most = rewritten = 0
        for number in range(1, 1801):
            parts.append(Part("a", number, number))
            while merge := next_merge(parts):
                merged = Part("a", merge[0].first, merge[-1].last)
                rewritten += merged.last - merged.first + 1
                parts = [*[part for part in parts if part not in merge], merged]
                parts.sort(key=lambda part: part.first)
            most = max(most, len(parts))
        # 1,800 = 7 x 256 + 8: two levels below the hour's own, which is the third.
        assert rewritten == 1792 + 1792
        assert most <= 3 * FAN_IN


class TestWriting:
    def test_rows_come_back_in_the_order_in_which_they_were_appended(self, tmp_path: Path) -> None:
        table = PartTable(tmp_path / "quotes", SCHEMA)
        assert stored(table.folder) == []
        for number in range(40):
            table.append(rows(2 * number, 2 * number + 1), "a" if number < 25 else "b")
            table.tidy()
        assert stored(table.folder) == list(range(80))
        settle(table)
        assert ranges(sorted(list_parts(table.folder), key=lambda part: part.first))[0] == (1, 25)
        assert stored(table.folder) == list(range(80))

    def test_what_a_merge_was_made_from_stays_until_the_next_write(self, tmp_path: Path) -> None:
        table = PartTable(tmp_path, SCHEMA)
        for number in range(FAN_IN):
            table.append(rows(number), "a")
        assert table.tidy()
        assert len(list_parts(tmp_path)) == FAN_IN + 1
        assert stored(tmp_path) == list(range(FAN_IN))
        assert table.tidy()
        assert ranges(list_parts(tmp_path)) == [(1, FAN_IN)]
        assert not table.tidy()

    def test_a_frame_that_was_scanned_keeps_its_files(self, tmp_path: Path) -> None:
        table = PartTable(tmp_path, SCHEMA)
        for number in range(FAN_IN):
            table.append(rows(number), "a")
        scanned = scan_parts(tmp_path, SCHEMA)
        settle(table)
        assert len(list_parts(tmp_path)) == 1
        assert scanned.collect()["row"].to_list() == list(range(FAN_IN))

    def test_a_restart_goes_on_with_the_next_number(self, tmp_path: Path) -> None:
        for number in range(3):
            table = PartTable(tmp_path, SCHEMA)
            assert table.recover() == []
            assert table.append(rows(number), "a").first == number + 1
        assert stored(tmp_path) == [0, 1, 2]

    @pytest.mark.parametrize("writes", [60, pytest.param(1_500, marks=pytest.mark.soak)])
    def test_a_reader_beside_a_writer_always_sees_a_beginning_of_what_was_written(
        self, tmp_path: Path, writes: int
    ) -> None:
        durable, ended, seen = 0, threading.Event(), []

        def read() -> None:
            while not ended.is_set():
                least = durable
                found = stored(tmp_path)
                assert found == list(range(len(found)))
                assert len(found) >= least
                seen.append(len(found))

        with ThreadPoolExecutor(1) as threads:
            reader = threads.submit(read)
            table = PartTable(tmp_path, SCHEMA)
            for number in range(writes):
                table.append(rows(number), f"h{number // 20}")
                durable = number + 1
                table.tidy()
            ended.set()
            reader.result()
        assert len(set(seen)) > 3


class TestDamage:
    def test_a_lost_part_is_an_error_until_the_writer_goes_on_without_it(self, tmp_path: Path) -> None:
        table = PartTable(tmp_path, SCHEMA)
        for number in range(3):
            table.append(rows(number), "a")
        part_file(tmp_path, 2, 2).unlink()
        with pytest.raises(CorruptFileError, match="the writes 2 to 2 are missing"):
            scan_parts(tmp_path, SCHEMA)
        again = PartTable(tmp_path, SCHEMA)
        assert again.recover() == [f"{tmp_path}: the writes 2 to 2 are lost"]
        assert again.recover() == []
        again.append(rows(3), "a")
        assert stored(tmp_path) == [0, 2, 3]

    def test_a_damaged_part_is_put_away_and_what_it_was_merged_from_used_if_it_is_there(self, tmp_path: Path) -> None:
        table = PartTable(tmp_path, SCHEMA)
        for number in range(FAN_IN):
            table.append(rows(number), "a")
        table.tidy()
        merged = part_file(tmp_path, 1, FAN_IN)
        merged.write_bytes(merged.read_bytes()[:100])
        damages = PartTable(tmp_path, SCHEMA).recover()
        assert damages == [f"{merged} cannot be read and was put away as {merged.name}.damaged"]
        assert stored(tmp_path) == list(range(FAN_IN))

    @pytest.mark.parametrize("seed", range(examples(40)))
    def test_one_bit_of_a_part_is_noticed_and_the_writer_goes_on_without_the_part(
        self, tmp_path: Path, seed: int
    ) -> None:
        table = PartTable(tmp_path, SCHEMA)
        for number in range(3):
            table.append(rows(number), "a")
        path = part_file(tmp_path, 2, 2)
        flip_any_bit(path, random.Random(seed))
        with pytest.raises(CorruptFileError, match=r"000000002-000000002.* is damaged"):
            scan_parts(tmp_path, SCHEMA)
        table.append(rows(3), "b")
        # Not merged with others under a new hash.
        with pytest.raises(CorruptFileError):
            table.tidy()
        assert len(PartTable(tmp_path, SCHEMA).recover()) == 2
        assert stored(tmp_path) == [0, 2, 3]

    def test_parts_from_before_their_names_had_a_hash_are_read_and_merged(self, tmp_path: Path) -> None:
        table = PartTable(tmp_path, SCHEMA)
        for number in range(FAN_IN):
            part = table.append(rows(number), "a")
            (tmp_path / part.name).rename(tmp_path / replace(part, checksum="").name)
        assert stored(tmp_path) == list(range(FAN_IN))
        settle(table)
        (merged,) = list_parts(tmp_path)
        assert len(merged.checksum) == 16
        assert stored(tmp_path) == list(range(FAN_IN))

    def test_a_full_disk_is_a_storage_error_and_nothing_was_added(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table = PartTable(tmp_path, SCHEMA)
        table.append(rows(0), "a")

        def refuse(*_: Any, **__: Any) -> None:
            raise pl.exceptions.ComputeError("No space left on device (os error 28)")

        with monkeypatch.context() as patch:
            patch.setattr(pl.DataFrame, "write_parquet", refuse)
            with pytest.raises(StorageError, match="free some space"):
                table.append(rows(1), "a")
        table.append(rows(2), "a")
        assert stored(tmp_path) == [0, 2]
        assert not list(tmp_path.glob("*.staged")) + list(tmp_path.glob(".*.staged"))

    def test_a_file_where_the_folder_should_be_is_a_storage_error(self, tmp_path: Path) -> None:
        (tmp_path / "quotes").write_text("")
        with pytest.raises(StorageError):
            PartTable(tmp_path / "quotes", SCHEMA).append(rows(1), "a")
        with pytest.raises(StorageError):
            scan_parts(tmp_path / "quotes", SCHEMA)


STEP = st.one_of(
    st.tuples(st.just("append"), st.sampled_from("aaabc"), st.integers(0, 3)),
    st.tuples(st.just("tidy"), st.just(""), st.just(0)),
    st.tuples(st.just("restart"), st.just(""), st.just(0)),
)


@settings(max_examples=examples(50))
@given(
    burst=st.integers(0, 2 * FAN_IN),
    steps=st.lists(st.tuples(STEP, st.none() | st.integers(0, 24)), max_size=30),
)
def test_whatever_happens_a_scan_gives_every_appended_row_once(
    burst: int, steps: list[tuple[tuple[str, str, int], int | None]]
) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as monkeypatch:
        folder = Path(name)
        table, expected, following = PartTable(folder, SCHEMA), list[int](), 0
        for _ in range(burst):
            table.append(rows(following), "a")
            expected.append(following)
            following += 1
        for (step, group, height), moment in steps:
            new = list(range(following, following + height)) if step == "append" else []
            following += height
            is_done = False
            with crashing_at(10**9 if moment is None else moment, monkeypatch):
                match step:
                    case "append":
                        table.append(rows(*new), group)
                    case "tidy":
                        table.tidy()
                    case _:
                        table = PartTable(folder, SCHEMA)
                        assert table.recover() == []
                is_done = True
            found = stored(folder)
            if is_done:
                expected += new
            else:
                # A write that was cut short is there whole or not at all.
                expected = found if found == expected + new else expected
                table = PartTable(folder, SCHEMA)
            assert found == expected
        settle(table)
        assert stored(folder) == expected
        table.recover()
        assert stored(folder) == expected
        assert not list(folder.glob(".*"))
