# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What may stand where a user's own file should be: it is refused in one sentence, at once, and in bounded memory."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ttapi_pipeline.core.dotenv_file import read_dotenv
from ttapi_pipeline.core.errors import ConfigError, InvalidFormatError, StorageError, TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import read_symbol_file
from ttapi_pipeline.datasets.earnings.build import read_earnings_file
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import shaping_settings
from ttapi_pipeline.metastock.symbol_map import read_symbol_map
from ttapi_pipeline_tests.support.hostile_files import bomb

MB = 1 << 20
HEAD = b"symbol,announced_date\n"
NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)


def _sparse(path: Path, size: int) -> None:
    path.touch()
    os.truncate(path, size)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "is no file to read"),
    "a pipe": (os.mkfifo, "is no file to read"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "is no file to read"),
    "a link to itself": (lambda path: path.symlink_to(path), "symbolic links"),
    "20 GB": (lambda path: _sparse(path, 20 << 30), "has 21,474,836,480 bytes"),
    "NULs": (lambda path: path.write_bytes(HEAD + b"SPY\0" * 9), "line 2: a NUL"),
    "UTF-16": (lambda path: path.write_text("symbol,announced_date\nSPY,2026-01-29\n", "utf-16"), "line 1: a NUL"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(HEAD)), "is packed"),
    "zstd": (lambda path: path.write_bytes(b"\x28\xb5\x2f\xfd" + HEAD), "is packed"),
    "a workbook": (lambda path: path.write_bytes(b"PK\x03\x04" + HEAD), "is packed"),
    "line ends": (lambda path: path.write_bytes(HEAD + b"\n" * 2_000_001), "2,000,00. lines"),
}


@pytest.mark.parametrize("read", [read_symbol_file, read_symbol_map, lambda path: read_earnings_file(path, now=NOW)])
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_text_file_is_refused_in_one_sentence(
    tmp_path: Path, kind: str, read: Callable[[Path], object]
) -> None:
    make, reason = WRONG[kind]
    path = tmp_path / "mine.csv"
    make(path)
    with pytest.raises(TTError, match=reason) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()
    assert isinstance(caught.value, InvalidFormatError | StorageError)


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a device", "20 GB"])
@pytest.mark.parametrize("name", ["universe", "metastock_symbol_map", "earnings_file"])
def test_the_verdict_refuses_it_as_well(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "mine.csv"
    WRONG[kind][0](path)
    value = str(path) if name == "universe" else path
    settings = replace(Settings(), **{name: value})  # type: ignore[arg-type]
    declaration = replace(DATASETS["universe"], shaped_by=(name,))  # type: ignore[arg-type]
    with pytest.raises((StorageError, InvalidFormatError), match=f"TT_.*{WRONG[kind][1]}"):
        shaping_settings(settings, declaration)


@pytest.mark.parametrize("kind", ["20 GB", "NULs", "UTF-16", "gzip"])
def test_a_settings_file_that_is_no_text_is_a_wrong_setting(tmp_path: Path, kind: str) -> None:
    WRONG[kind][0](tmp_path / ".env")
    with pytest.raises(ConfigError, match=WRONG[kind][1]):
        read_dotenv(tmp_path / ".env")


def test_packed_bytes_behind_a_header_are_not_unpacked(tmp_path: Path) -> None:
    # Polars unpacks whatever begins as a packed stream: these 33 kB would be 16 MB.
    packed = bomb(16 * MB, head=b"SPY,2026-01-29\n")
    assert len(zlib.decompressobj().decompress(packed)) > 16 * MB
    (tmp_path / "mine.csv").write_bytes(HEAD + packed)
    with pytest.raises(InvalidFormatError, match="a NUL"):
        read_earnings_file(tmp_path / "mine.csv", now=NOW)
    # This is the beginning of such a stream as well, and a row.
    (tmp_path / "mine.csv").write_bytes(HEAD + b"x^,2026-01-29\n")
    with pytest.raises(InvalidFormatError, match=r"line 2: 'x\^'"):
        read_earnings_file(tmp_path / "mine.csv", now=NOW)


def test_a_line_of_megabytes_is_not_said_back(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"source,symbol\n" + b"A" * 7 * MB + b",B\n")
    for read in (read_symbol_file, read_symbol_map):
        with pytest.raises(InvalidFormatError) as caught:
            read(tmp_path / "mine.csv")
        assert len(str(caught.value)) < 400 + len(str(tmp_path))
    (tmp_path / "mine.csv").write_bytes(HEAD + b"A" * 9 * MB + b",2026-01-29\n")
    with pytest.raises(InvalidFormatError, match="line 2: 'AAAA") as caught:
        read_earnings_file(tmp_path / "mine.csv", now=NOW)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_a_list_of_the_largest_size_takes_little_memory(tmp_path: Path) -> None:
    # One letter of the second plane makes four bytes of each.
    (tmp_path / "mine.txt").write_text("# 😀\n" + f"AAPL # {'x' * 70}\n" * 99_998)
    tracemalloc.start()
    assert read_symbol_file(tmp_path / "mine.txt") == ("AAPL",)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100 * MB
