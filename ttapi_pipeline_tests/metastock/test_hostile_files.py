# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Files that mean harm, and files that become something else while they are read: each is one sentence.

Whole folders of them: `test_hostile_folders`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ttapi_pipeline.core.errors import InvalidFormatError, StorageError
from ttapi_pipeline.core.plain_files import open_plain
from ttapi_pipeline.metastock import careful, limits, scan
from ttapi_pipeline.metastock.fingerprint import folder_fingerprint, list_files
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline.metastock.preview import preview_folder
from ttapi_pipeline.metastock.text_rows import sniff_text
from ttapi_pipeline_tests.support.hostile_files import (
    GOOD,
    GOOD_FILE,
    HEADER,
    bomb,
    good_rows,
    put_good,
)
from ttapi_pipeline_tests.support.metastock import check_harmless

MB = 1 << 20
NOT_DAILY = "the period is not daily; TT_METASTOCK_PERIODS names those that are"


@pytest.fixture
def folder(good_folder: Path) -> Path:
    """A folder with one good file."""
    return good_folder


def test_packed_bytes_behind_a_header_are_not_unpacked(folder: Path) -> None:
    # Polars unpacks whatever begins as a packed stream: these 33 kB would be 16 MB.
    packed = bomb(16 * MB, head=good_rows("BOMB").encode())
    assert len(zlib.decompressobj().decompress(packed)) > 16 * MB
    (folder / "BOMB.txt").write_bytes(HEADER.encode() + packed)
    result = import_folder(folder)
    bars = check_harmless(result)
    # The first line holds the mark of the stream, and the rows behind it are plain text.
    assert bars.filter(symbol="BOMB").height == 3
    assert result.files.filter(file="BOMB.txt")["rows_read"].item() < 700
    for text in (packed, b"x\x9c" + packed, b"\x1f\x8b\x08" + packed):
        assert scan._is_packed(text)


def test_a_row_that_begins_with_an_x_is_a_row(folder: Path) -> None:
    (folder / "x.txt").write_text("x,20260102,10,11,9,10.5,100\nx^,20260102,10,11,9,10.5,100\n")
    result = import_folder(folder)
    assert check_harmless(result).filter(symbol="X").height == 1
    assert result.rejects["symbol"].to_list() == ["x^"]


@pytest.mark.parametrize("become", ["pipe", "device", "folder", "gone", "empty", "larger", "other", "zeros", "loop"])
@pytest.mark.parametrize("moment", ["after the look", "while it is read"])
def test_a_file_that_becomes_something_else_is_told_or_read_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, become: str, moment: str
) -> None:
    victim = folder / "VICTIM.txt"
    victim.write_text("\n" + good_rows("VICTIM"))

    def change() -> None:
        if become == "larger":
            with victim.open("a") as file:
                file.write("VICTIM,20260107,10,11,9,10.5,100\n" * 9)
            return
        if become == "zeros":
            # In place, so that whoever has it open meets it.
            os.truncate(victim, 0)
            os.truncate(victim, 4 * MB)
            return
        if become == "empty":
            os.truncate(victim, 0)
            return
        victim.unlink()
        match become:
            case "pipe":
                os.mkfifo(victim)
            case "device":
                victim.symlink_to("/dev/zero")
            case "folder":
                victim.mkdir()
            case "other":
                victim.write_text("\x00\x01" * 99)
            case "loop":
                victim.symlink_to(victim)

    name = "sniff_text" if moment == "while it is read" else "read_carefully"
    module: Any = (
        careful if moment == "while it is read" else __import__("ttapi_pipeline.metastock.reader", fromlist=["reader"])
    )
    original = getattr(module, name)

    def changed_first(*arguments: Any) -> Any:
        if os.path.lexists(victim) and not done:
            done.append(None)
            change()
        return original(*arguments)

    done: list[None] = []
    monkeypatch.setattr(module, name, changed_first)
    result = import_folder(folder)
    assert done
    check_harmless(result)
    rejects = result.rejects.filter(file="VICTIM.txt")
    assert rejects.height <= 1
    if moment == "after the look" and become in {"pipe", "device", "folder"}:
        sentence = "it cannot be read: a folder, a pipe, a socket or a device is no file to read"
        assert rejects["reason"].to_list() == [sentence]


def test_a_file_that_goes_on_growing_is_read_to_where_it_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TEXT_BLOCK_BYTES", 64)
    grows = folder / "GROWS.txt"
    grows.write_text("\n" + good_rows("GROWS"))
    size = grows.stat().st_size
    split, writer = sniff_text, grows.open("a")

    def growing(text: Any) -> Any:
        contents = text._contents

        def grown() -> Iterator[bytes]:
            for content in contents():
                writer.write(good_rows("GROWS"))
                writer.flush()
                yield content

        text._contents = grown
        return split(text)

    monkeypatch.setattr(careful, "sniff_text", growing)
    with writer:
        result = import_folder(folder)
    assert grows.stat().st_size > 2 * size
    check_harmless(result)
    assert result.files.filter(file="GROWS.txt")["rows_read"].item() == 3


def test_a_folder_that_changes_while_it_is_listed_is_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (folder / name).mkdir()
        (folder / name / "X.txt").write_text(good_rows("X"))
    scandir, done = os.scandir, set[str]()

    def vanishing(path: Any) -> Any:
        name = str(path).rpartition("/")[2]
        if name in {"a", "b"} and name not in done:
            done.add(name)
            shutil.rmtree(path)
            if name == "a":
                Path(path).write_text("now a file")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    names = [fact.name for fact in list_files(folder)]
    assert done == {"a", "b"}
    assert names == [GOOD_FILE, "c/X.txt"]


def test_a_folder_that_may_not_be_entered_is_one_reject(folder: Path) -> None:
    """A path beyond what the system takes is closed to everybody, root too."""
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        for _ in range(20):
            os.mkdir("d" * 250)  # noqa: PTH102 - relative to where the process is
            os.chdir("d" * 250)
    finally:
        os.fchdir(here)
        os.close(here)
    result = import_folder(folder)
    check_harmless(result)
    assert result.rejects["reason"].to_list() == ["it cannot be read: File name too long"]
    assert folder_fingerprint(folder) == folder_fingerprint(folder)


def test_a_link_to_the_disk_is_not_followed_and_no_end_of_files_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "root").symlink_to("/")
    (folder / "above").symlink_to("..")
    assert [fact.name for fact in list_files(folder)] == [GOOD_FILE]
    monkeypatch.setattr(limits, "MOST_FOUND", 3)
    (folder / "inner").mkdir()
    for name in ("a.txt", "b.txt", "c.txt"):
        (folder / "inner" / name).touch()
    with pytest.raises(StorageError, match=r"more than 3 files and folders.*TT_METASTOCK_DIR"):
        list_files(folder)


def test_a_file_that_is_too_large_is_one_reject_by_both_ways_of_knowing_it(folder: Path) -> None:
    for name in ("HOLE.txt", "HOLE.csv"):
        (folder / name).write_text(good_rows("HOLE"))
        os.truncate(folder / name, limits.MOST_FILE_BYTES + 1)
    for by_content in (False, True):
        result = import_folder(folder, by_content=by_content)
        check_harmless(result)
        assert result.rejects["reason"].unique().to_list() == [
            "it has 4,294,967,297 bytes, and of one file no more than 4,294,967,296 are read; split it"
        ]
    assert preview_folder(folder).symbols == [GOOD]


def test_an_index_and_a_data_file_without_end_are_not_read_into_memory(folder: Path) -> None:
    (folder / "MASTER").write_bytes(bytes([1]).ljust(53, b"\0"))
    os.truncate(folder / "MASTER", 20 << 30)
    result = import_folder(folder)
    check_harmless(result)
    assert result.rejects["reason"].to_list() == [
        "it is no binary MetaStock index: MASTER has more than 12,582,912 bytes, as no index needs"
    ]
    record = bytearray(53)
    record[0], record[3], record[4], record[33], record[36:37] = 1, 28, 7, ord("D"), b"X"
    (folder / "MASTER").write_bytes(bytes([1, 0, 1]).ljust(53, b"\0") + record)
    (folder / "F1.DAT").touch()
    os.truncate(folder / "F1.DAT", 20 << 30)
    result = import_folder(folder)
    check_harmless(result)
    assert result.rejects["reason"].to_list() == [
        "it has more than 2,097,152 bytes, and a header counts 65,536 records"
    ]


def test_a_file_of_hardly_any_rows_is_one_reject(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FIRST_ROWS", 100)
    monkeypatch.setattr(limits, "BLOCK_LINES", 50)
    (folder / "A.txt").write_text(good_rows("A") * 3 + "A,x,1,1,1,1,1\n" * 500)
    (folder / "B.txt").write_text(good_rows("B") * 3 + "B,20260107,1,1,1,x,1\n" * 500)
    (folder / "C.txt").write_text(good_rows("C") * 100 + "C,20260107,1,1,1,x,1\n" * 99)
    # The first line is blank, and so all lines are cut.
    (folder / "D.txt").write_text("\nTICKER,PER,DATE,CLOSE\n" + "D,I,20260107,1\n" * 300)
    result = import_folder(folder)
    check_harmless(result)
    assert result.rejects.filter(pl.col("line").is_null()).select("file", "reason").rows() == [
        ("A.txt", "of its first 100 rows 9 have a date, so it is no file of daily prices"),
        (
            "B.txt",
            "of its first 100 rows 9 are kept (most often close is not a number), so it is no file of daily prices",
        ),
        (
            "D.txt",
            f"of its first 100 rows 0 are kept (most often {NOT_DAILY}), so it is no file of daily prices",
        ),
    ]
    assert result.files.filter(file="C.txt")["rejected"].item() == 99


def test_a_file_of_line_ends_is_one_reject(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BLOCK_LINE_ENDS", 99)
    (folder / "ENDS.txt").write_text(good_rows("ENDS") + "\n" * 100)
    result = import_folder(folder)
    check_harmless(result)
    (reason,) = result.rejects["reason"]
    assert reason == "more than 99 of 193 characters are line ends; take out the blank lines"
    # A vendor's CR CR LF is a blank line behind each row.
    (folder / "ENDS.txt").write_bytes(good_rows("ENDS").replace("\n", "\r\r\n").encode())
    assert check_harmless(import_folder(folder)).filter(symbol="ENDS").height == 3


def test_a_header_of_thousands_of_fields_is_told_in_few_sentences(folder: Path) -> None:
    fields = ",".join(f"F{at}" for at in range(600))
    (folder / "WIDE.txt").write_text(f"TICKER,DATE,CLOSE,\x1b[31m,{fields}\nWIDE,20260102,10\n")
    result = import_folder(folder)
    check_harmless(result)
    left_out = result.notices.filter(kind="left out")["notice"].to_list()
    assert len(left_out) == limits.UNKNOWN_FIELDS + 1
    assert min(left_out) == "field (and 581 others) is not read (1 file, WIDE.txt for one)"
    assert any("\\x1b[31M" in notice for notice in left_out)


def test_a_file_of_more_tickers_than_there_are_is_one_reject(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_TICKERS", 26)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rows = [f"{letter}{letter},20260107,10,11,9,10.5,100\n" for letter in letters]
    (folder / "FEW.txt").write_text("".join(rows))
    (folder / "MANY.txt").write_text("".join([*rows, "AAA,20260107,10,11,9,10.5,100\n"]))
    (folder / "CUT.txt").write_text("\n" + "".join([*rows, "AAA,20260107,10,11,9,?,100\n"]))
    result = import_folder(folder)
    check_harmless(result)
    reason = "it has more than 26 tickers, and no exchange has as many"
    assert result.rejects.select("file", "reason").rows() == [("CUT.txt", reason), ("MANY.txt", reason)]
    assert result.files.filter(file="FEW.txt")["rows_kept"].item() == 26


def test_a_ticker_without_end_is_held_by_its_beginning(folder: Path) -> None:
    (folder / "T.txt").write_text(good_rows("T") + "T" * 60_000 + ",20260107,10,11,9,10.5,100\n")
    result = import_folder(folder)
    check_harmless(result)
    assert result.rejects["symbol"].to_list() == ["T" * limits.TICKER_CHARACTERS]


@contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder of a user who is not root, who may read anything."""
    with tempfile.TemporaryDirectory() as name:
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(name, 65534, -1)
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if is_root:
                os.seteuid(0)


@pytest.mark.parametrize("by_content", [False, True])
def test_what_was_closed_is_read_when_it_is_open_though_it_has_not_changed(folder: Path, by_content: bool) -> None:
    # Whatever is imported late has to be imported by a user who may.
    import_folder(folder)
    with as_nobody() as home:
        folder, cache = home / "files", home / "cache"
        (folder / "inner").mkdir(parents=True)
        put_good(folder)
        late, inner = folder / "LATE.txt", folder / "inner" / "IN.txt"
        late.write_text(good_rows("LATE"))
        inner.write_text(good_rows("IN"))
        late.chmod(0)
        (folder / "inner").chmod(0)
        for _ in range(2):
            closed = import_folder(folder, cache=cache, by_content=by_content)
            check_harmless(closed)
            assert closed.rejects.select("file", "reason").rows() == [
                ("LATE.txt", "it cannot be read: Permission denied"),
                ("inner/", "it cannot be read: Permission denied"),
            ]
        late.chmod(0o600)
        (folder / "inner").chmod(0o700)
        again = import_folder(folder, cache=cache, by_content=by_content)
        assert set(check_harmless(again)["symbol"]) == {GOOD, "LATE", "IN"}
        assert again.rejects.is_empty()
        if not by_content:
            # What has been read once is known as long as it does not change.
            late.chmod(0)
            kept = import_folder(folder, cache=cache)
            assert set(check_harmless(kept)["symbol"]) == {GOOD, "LATE", "IN"}


@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    match what:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case _:
            path.mkdir()
    with pytest.raises(OSError, match="is no file to read"):
        open_plain(path)


def test_dates_of_months_by_name_are_dates_in_a_long_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FIRST_ROWS", 2)
    monkeypatch.setattr(limits, "BLOCK_LINES", 3)
    dates = ("Nov 20, 2026", "Nov 19, 2026", "11/18/2026 16:00:00", "2026-11-17 00:00:00-05:00")
    (folder / "N.txt").write_text("\nTICKER;DATE;CLOSE\n" + "".join(f"N;{day};10\n" for day in dates))
    bars = check_harmless(import_folder(folder))
    assert bars.filter(symbol="N")["session"].to_list() == [date(2026, 11, day) for day in (17, 18, 19, 20)]


def test_a_size_beyond_the_limit_says_what_to_do() -> None:
    from ttapi_pipeline.metastock.file_sizes import check_size

    with pytest.raises(InvalidFormatError, match="split it"):
        check_size(limits.MOST_FILE_BYTES + 1)
