# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
from __future__ import annotations

import math
import os
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.metastock import limits, scan, text_rows
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline.metastock.layout import Layout
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline.metastock.text import split_row
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of

HEADER = "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"


CONTENTS = [
    f"{HEADER}\nAAPL.O,D,20260102,000000,10,11,9,10.5,100,0\nAAPL.O,D,20260105,000000,10,11,9,10.5,100,0\n",
    "AAPL,20260102,10,11,9,10.5,100\nMSFT,20260102,10,11,9,10.5,100\n",
    "<TICKER>;<DATE>;<TIME>;<CLOSE>\nAAPL;02.01.2026;1600;10,5\nAAPL;05.01.2026;1600;11\n",
]


@st.composite
def mutated_files(draw: st.DrawFn) -> bytes:
    """A good file with some bytes put in, taken out, doubled or overwritten."""
    content = bytearray(draw(st.sampled_from(CONTENTS)).encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))))
    snippets = st.one_of(
        st.binary(max_size=4),
        st.sampled_from(
            [b",", b"\n", b"\r\n", b"\r", b'"', b"\x1a", b"\0", b" ", b"-", b"nan", b"inf", b"1e400", b"\xff", b";"]
        ),
    )
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 6))] = draw(snippets)
    return bytes(content)


@settings(max_examples=examples(200), deadline=None)
@given(contents=st.lists(mutated_files(), min_size=1, max_size=3))
def test_a_broken_file_breaks_neither_the_import_nor_the_account(contents: list[bytes]) -> None:
    check_broken_files(contents)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=20_000, deadline=None)
@given(contents=st.lists(mutated_files(), min_size=1, max_size=3))
def test_no_broken_file_of_thousands_breaks_the_import_or_the_account(contents: list[bytes]) -> None:
    check_broken_files(contents)


def check_broken_files(contents: Sequence[bytes]) -> None:
    with folder_of({f"{index}.txt": content for index, content in enumerate(contents)}) as folder:
        result = import_folder(folder)
    check_account(result)
    assert result.files.height == len(contents)


@settings(max_examples=examples(100), deadline=None)
@given(content=mutated_files())
def test_scanning_together_and_reading_with_care_agree(content: bytes) -> None:
    # A blank first line is the one difference that sends a file to the careful reader and means nothing. In UTF-16,
    # which is always read with care, it would have two bytes.
    assume(b"\0" not in content and not content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)))
    with folder_of({"X.txt": content}) as folder:
        scanned = import_folder(folder)
    mark = BOM_UTF8 if content.startswith(BOM_UTF8) else b""
    with folder_of({"X.txt": mark + b"\n" + content.removeprefix(mark)}) as folder:
        read = import_folder(folder)
    assert_frame_equal(check_account(scanned), check_account(read), check_exact=True)
    assert_frame_equal(scanned.files.drop("dialect"), read.files.drop("dialect"))
    assert_frame_equal(scanned.rejects.drop("line"), read.rejects.drop("line"))


def test_the_last_row_by_file_name_and_line_wins() -> None:
    row = "X,20260102,10,20,5,{},100\n"
    contents = {
        "a.txt": row.format(11) + row.format(12),
        "b.csv": "TICKER,DATE,CLOSE\n" + "X,2026-01-02,13\nX,2026-01-02,14\n",
        "B.txt": row.format(15),
    }
    with folder_of(contents) as folder:
        result = import_folder(folder)
    assert check_account(result)["close"].to_list() == [14.0]
    assert result.files.select("file", "rows_read", "rows_kept", "duplicates").rows() == [
        ("B.txt", 1, 0, 1),
        ("a.txt", 2, 0, 2),
        ("b.csv", 2, 1, 1),
    ]


def test_a_rejected_row_keeps_its_place_its_ticker_and_its_text() -> None:
    with folder_of({"X.txt": f"{HEADER}\n\nX.N,D,20260102,000000,10,11,9, n/a ,100,0\r\n"}) as folder:
        result = import_folder(folder)
    check_account(result)
    assert result.rejects.rows() == [
        ("X.txt", 3, "X.N", "close is not a number", 1, "X.N,D,20260102,000000,10,11,9, n/a ,100,0")
    ]


def test_a_file_that_is_cut_in_blocks_reads_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # The decimal comma, and the order of day and month, show in the last lines alone.
    row = "X;{}/2/2026;10;11;9;{};100\n"
    lines = [row.format(day, 10) for day in range(1, 12)] + ["\n", "X;;1;1;1;1;1\n", row.format(25, "10,5")]
    contents = {"X.txt": "TICKER;DATE;OPEN;HIGH;LOW;CLOSE;VOL\n" + "".join(lines), "Y.txt": "Y,1\n"}
    with folder_of(contents) as folder:
        whole = import_folder(folder)
        monkeypatch.setattr(limits, "BLOCK_LINES", 3)
        blocks = import_folder(folder)
    bars = check_account(blocks)
    assert bars["session"].to_list()[-2:] == [date(2026, 2, 11), date(2026, 2, 25)]
    assert bars["close"].to_list()[-1] == 10.5
    assert blocks.rejects.filter(file="X.txt").select("line", "reason").rows() == [(14, "there is no date")]
    assert_frame_equal(bars, check_account(whole))
    assert_frame_equal(blocks.rejects, whole.rejects)


@contextmanager
def small_blocks(size: int) -> Iterator[None]:
    """Files are read in pieces of some bytes, and no file is small enough to be scanned with others."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(limits, "TEXT_BLOCK_BYTES", size)
        patched.setattr(limits, "BLOCK_LINES", 3)
        patched.setattr(limits, "BATCH_BYTES", 1)
        yield


@settings(max_examples=examples(100), deadline=None)
@given(content=mutated_files(), size=st.integers(1, 90))
def test_the_size_of_the_blocks_changes_nothing(content: bytes, size: int) -> None:
    with folder_of({"X.txt": content}) as folder:
        whole = import_folder(folder)
        with small_blocks(size):
            blocks = import_folder(folder)
    assert_frame_equal(check_account(blocks), check_account(whole), check_exact=True)
    assert_frame_equal(blocks.files, whole.files)
    assert_frame_equal(blocks.rejects, whole.rejects)


@pytest.mark.parametrize("odd", ['"Miedź', 'Miedź"', '"Miedź" i "Spółka', "Miedź\0", "Miedź\x1a", "Miedź\r\n"])
def test_an_odd_letter_beyond_the_first_rows_is_read_alike_by_both_ways(odd: str) -> None:
    days = [date(2026, 1, 1) + timedelta(days=at) for at in range(40)]
    rows = [f"{odd if at == 25 else 'Miedź'},X,{day:%Y%m%d},10" for at, day in enumerate(days)]
    text = "\n".join(["<NAME>,<TICKER>,<DATE>,<CLOSE>", *rows])
    with folder_of({"X.txt": text}) as folder:
        scanned = import_folder(folder)
    with folder_of({"X.txt": "\n" + text}) as folder:
        read = import_folder(folder)
    assert_frame_equal(check_account(scanned), check_account(read))
    assert_frame_equal(scanned.rejects.drop("line"), read.rejects.drop("line"))
    # A quote without another one is a letter. A zero byte costs its row, and a line end makes one of its own.
    assert scanned.rejects.height == {"Miedź\0": 1, "Miedź\r\n": 1}.get(odd, 0)
    assert scanned.files["rows_kept"].item() == 40 - ("\0" in odd)


@pytest.mark.parametrize("size", [30, 200, 4096])
def test_a_bad_row_of_a_large_file_costs_its_own_block_alone(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    lines = [f"X,{date(2000, 1, 3) + timedelta(days=at):%Y%m%d},10,11,9,10.5,100" for at in range(400)]
    lines[137] = lines[137].replace("10.5", "?")
    lines[300] = lines[300].replace(",9,", ",0,")
    cut: list[str] = []

    def counted(row: str, delimiter: str) -> list[str]:
        cut.append(row)
        return split_row(row, delimiter)

    monkeypatch.setattr(text_rows, "split_row", counted)
    with folder_of({"X.txt": "\n".join(lines)}) as folder, small_blocks(size):
        result = import_folder(folder)
    assert check_account(result).height == 399
    assert result.rejects.select("line", "reason").rows() == [(138, "close is not a number")]
    assert result.lost == {"low": 1}
    # Once for what the whole file tells, and once more where more lines are cut than are held.
    assert len(cut) <= 2 * (size // len(lines[0]) + 2)


def test_a_line_without_an_end_is_one_reject_of_which_little_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINE_CHARACTERS", 500)
    good = "X,20260102,10,11,9,10.5,100\n"
    contents: dict[str, bytes | str] = {
        # As a crash leaves a file: its end is there, and nothing but zeros in it.
        "X.txt": good.encode() + bytes(100_000),
        "Y.txt": good.replace("X", "Y") + "Y,20260105,10,11,9,10.5,1" + "0" * 100_000 + "\n" + "Y,20260106,1,1,1,1,1\n",
        "Z.txt": good.replace("X", "Z") + "Z,20260105,10,11,9,10.5,100\0\n",
    }
    for size in (64, 1 << 20):
        monkeypatch.setattr(limits, "TEXT_BLOCK_BYTES", size)
        with folder_of(contents) as folder:
            result = import_folder(folder)
        assert check_account(result)["symbol"].to_list() == ["X", "Y", "Y", "Z"]
        assert result.rejects.select("file", "line", "reason").rows() == [
            ("X.txt", 2, "the line is longer than 500 characters"),
            ("Y.txt", 2, "the line is longer than 500 characters"),
            ("Z.txt", 2, "the line holds zero bytes"),
        ]
        # Of 200 characters, those that are zeros are written as \x00.
        assert result.rejects["raw"].to_list() == [
            r"\x00" * 200,
            ("Y,20260105,10,11,9,10.5,1" + "0" * 200)[:200],
            r"Z,20260105,10,11,9,10.5,100\x00",
        ]


def test_the_text_of_rejected_rows_is_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REJECTS_WITH_TEXT", 2)
    with folder_of({"X.txt": "X,20260102,10,11,9,10.5,100\n" + f"X,20260105,1,1,1,?,{'1' * 900}\n" * 3}) as folder:
        result = import_folder(folder)
    check_account(result)
    assert result.rejects["line"].to_list() == [2, 3, 4]
    assert result.rejects["raw"].str.len_chars().to_list() == [500, 500, None]


def test_a_bad_row_costs_its_neighbours_nothing() -> None:
    good = "X,D,20260102,000000,10,11,9,10.5,100,0\n"
    contents = {f"{n}.txt": f"{HEADER}\n" + good.replace("X", f"X{n}") for n in range(9)}
    contents["4.txt"] += "X4,D,20260105,000000,10,11,9,10.5,100,0,1,2,3\nX4,D\n"
    with folder_of(contents) as folder:
        result = import_folder(folder)
    assert check_account(result).height == 10
    assert result.files["rows_read"].to_list() == [1, 1, 1, 1, 3, 1, 1, 1, 1]
    assert "values beyond the last column are not read (1 file, 4.txt for one)" in result.notices["notice"].to_list()


def test_a_file_that_is_no_text_is_one_reject_and_the_rest_goes_on() -> None:
    contents: dict[str, bytes | str] = {
        "MASTER": b"\x01\x00\x02\x03" * 20,
        "README.md": "# Prices\n\nFrom the vendor.\n",
        "NOCLOSE.txt": "TICKER,DATE,OPEN\nA,20260102,1\n",
        "X.txt": "X,20260102,10,11,9,10.5,100\n",
    }
    with folder_of(contents) as folder:
        result = import_folder(folder)
    assert check_account(result)["symbol"].to_list() == ["X"]
    assert result.rejects["file"].to_list() == ["MASTER", "NOCLOSE.txt", "README.md"]
    assert result.rejects["line"].null_count() == 3
    assert "binary" in result.rejects["reason"][0]
    assert "names no close" in result.rejects["reason"][1]
    assert "neither a header nor rows" in result.rejects["reason"][2]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="the error comes from Linux' /proc")
def test_a_file_that_cannot_be_read_is_one_reject() -> None:
    with folder_of({"Y.txt": "Y,20260102,1,2,1,2,5\n"}) as folder:
        (folder / "DISK.txt").symlink_to("/proc/self/mem")
        result = import_folder(folder)
    assert check_account(result)["symbol"].to_list() == ["Y"]
    assert result.rejects.rows() == [("DISK.txt", None, None, "it cannot be read: Input/output error", 1, None)]


@st.composite
def plain_files(draw: st.DrawFn) -> list[bytes]:
    """Files of one layout with a ticker each, which end, begin and pause as files do."""
    header = draw(st.sampled_from(["", "<TICKER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>"]))
    row = st.sampled_from(["20260102,10,11,9,10.5,100", "20260105,10,11,9,10,5", "20260106,10,11,9,-1,5", ""])
    files = []
    for number in range(draw(st.integers(2, 5))):
        end = draw(st.sampled_from(["\n", "\r\n"]))
        rows = draw(st.lists(row, max_size=4))
        lines = [*([header] if header else []), *(f"T{number},{row}" if row else "" for row in rows)]
        text = end.join(lines) + draw(st.sampled_from(["", end]))
        files.append(draw(st.sampled_from([b"", BOM_UTF8])) + text.encode())
    return files


@settings(max_examples=examples(50), deadline=None)
@given(plain_files())
def test_files_that_are_scanned_as_one_text_give_what_each_alone_gives(contents: list[bytes]) -> None:
    names = {f"T{number}.txt": content for number, content in enumerate(contents)}
    with folder_of(names) as folder:
        together = import_folder(folder)
    rows = check_account(together)
    for name, content in names.items():
        with folder_of({name: content}) as folder:
            alone = import_folder(folder)
        assert_frame_equal(rows.filter(symbol=name.removesuffix(".txt")), check_account(alone))
        assert_frame_equal(together.files.filter(file=name), alone.files)
        assert_frame_equal(together.rejects.filter(file=name), alone.rejects)


@pytest.mark.parametrize("what", ["grown", "another layout", "binary", "gone", "empty"])
def test_a_file_that_changes_while_it_is_read_is_read_as_it_is_now(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    query = scan._query
    good = "20260102,10,11,9,10.5,100\n"

    def change_first(
        layout: Layout, text: bytes, options: ImportOptions, *, is_typed: bool, today: date | None
    ) -> pl.LazyFrame:
        path = folder / "X.txt"
        if path.exists():
            match what:
                case "grown":
                    path.write_text(f"X,{good}X,20260105,10,11,9,10.5,100\n")
                case "another layout":
                    path.write_text("TICKER,DATE,HIGH,OPEN,LOW,CLOSE,VOL\nX,20260102,11,10,9,10.5,100\n")
                case "binary":
                    path.write_bytes(b"\x00\x01\x02" * 9)
                case "gone":
                    path.unlink()
                case _:
                    path.write_text("")
        return query(layout, text, options, is_typed=is_typed, today=today)

    monkeypatch.setattr(scan, "_query", change_first)
    with folder_of({"X.txt": f"X,{good}", "Y.txt": f"Y,{good}"}) as folder:
        result = import_folder(folder)
    rows = check_account(result)
    assert rows.filter(pl.col("symbol") == "Y").height == 1
    expected = {"grown": 2, "another layout": 1, "binary": 0, "gone": 0, "empty": 0}[what]
    assert rows.filter(pl.col("symbol") == "X")["open"].to_list() == [10.0] * expected
    assert result.rejects.height == (what in {"binary", "gone"})


def test_an_empty_folder_is_an_import_without_rows(tmp_path: Path) -> None:
    result = import_folder(tmp_path)
    assert check_account(result).is_empty()
    assert result.files.is_empty()
    assert result.rows_per_symbol.is_empty()


def test_a_missing_folder_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        import_folder(tmp_path / "nowhere")


def test_a_relative_folder_is_read_like_an_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "X[1]*.txt").write_text("X,20260102,10,11,9,10.5,100\n")
    monkeypatch.chdir(tmp_path)
    assert check_account(import_folder(Path("here"))).height == 1


def test_a_header_without_rows_is_a_known_symbol() -> None:
    with folder_of({"brk-b.us.txt": HEADER, "EMPTY.txt": ""}) as folder:
        result = import_folder(folder)
    assert check_account(result).is_empty()
    assert result.rows_per_symbol.rows() == [("BRK/B", 0)]
    assert result.files["dialect"].to_list() == ["empty", "A"]


def test_a_file_name_need_not_be_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"X\xff.txt")
    (tmp_path / name).write_text("X,20260102,10,11,9,10.5,100\n")
    result = import_folder(tmp_path)
    assert check_account(result).height == 1
    assert result.files["file"].to_list() == ["X�.txt"]


def test_the_symbol_map_goes_before_the_rules() -> None:
    contents = {
        "X.txt": "BRK_B,20260102,10,11,9,10.5,100\n$SPX,20260102,10,11,9,10.5,100\n",
        "$VIX.csv": "DATE,CLOSE\n20260102,15\n",
    }
    with folder_of(contents) as folder:
        unmapped = import_folder(folder)
        mapped = import_folder(folder, symbol_map={"BRK_B": "BRK/B", "$SPX": "SPX", "$VIX": "VIX"})
    assert check_account(unmapped).is_empty()
    assert unmapped.rejects["reason"].str.contains("no symbol").all()
    assert check_account(mapped)["symbol"].to_list() == ["BRK/B", "SPX", "VIX"]


def test_dates_after_as_of_are_rejected() -> None:
    with folder_of({"X.txt": "X,20260102,10,11,9,10.5,100\nX,20260105,10,11,9,10.5,100\n"}) as folder:
        result = import_folder(folder, options=ImportOptions(as_of=date(2026, 1, 2)))
        everything = import_folder(folder, options=ImportOptions(as_of=date(2026, 1, 5)))
    assert check_account(result).height == 1
    assert result.rejects["reason"].to_list() == ["the date is later than 2026-01-02"]
    assert check_account(everything).height == 2


def test_options_say_what_the_files_do_not() -> None:
    contents: dict[str, bytes | str] = {
        "X.txt": "<TICKER>,<PER>,<DATE>,<CLOSE>,<VOL>\nX.JP,1440,1/4/2026,10,5\n",
        "N.txt": "<TICKER>,<NAME>,<DATE>,<CLOSE>,<VOL>\nN,Ünal,20260401,10,5\n".encode("cp1254"),
    }
    options = ImportOptions(
        date_order="dmy",
        code_page="cp1254",
        volume_multiplier=100.0,
        exchange_suffixes=frozenset({"JP"}),
        daily_periods=frozenset({"1440"}),
    )
    with folder_of(contents) as folder:
        bars = check_account(import_folder(folder, options=options))
    assert bars.select("symbol", "session", "volume").rows() == [
        ("N", date(2026, 4, 1), 500.0),
        ("X", date(2026, 4, 1), 500.0),
    ]


def test_an_unknown_code_page_is_refused() -> None:
    with pytest.raises(ConfigError, match="cp9999"):
        ImportOptions(code_page="cp9999")


def test_oddities_are_told() -> None:
    contents = {
        "AAPL.txt": "MSFT,20260102,10,11,9,10.5,100\n",
        "MSFT.txt": "TICKER,DATE,CLOSE,RANK\nMSFT.O,20260105,10,1\n",
        "all.txt": "IBM,20260102,10,11,9,10.5,100\nT,20260102,10,11,9,10.5,100\n",
    }
    with folder_of(contents) as folder:
        result = import_folder(folder)
    check_account(result)
    told = result.notices.filter(pl.col("kind") != "assumption").select("kind", "subject", "rows", "notice")
    assert told.rows() == [
        ("left out", "other", None, "field RANK is not read (1 file, MSFT.txt for one)"),
        ("warning", "AAPL.txt", None, "AAPL.txt: its ticker is MSFT, and its name says AAPL; the ticker counts"),
        ("conflict", "MSFT", 1, "MSFT: MSFT has it, and 1 row of MSFT.O in MSFT.txt is set aside"),
    ]


def test_times_of_day_without_a_period_tell_intraday_rows() -> None:
    header = "<TICKER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n"
    daily = (
        header
        + "X,20260102,1600,10,11,9,10.5,100\nX,20260105,1300,10,11,9,10.5,100\nX,20260105,1300,10,11,9,10.7,100\n"
    )
    intraday = header + "Y,20260102,0931,10,11,9,10.5,100\nY,20260102,0932,10,11,9,10.5,100\n"
    with folder_of({"X.txt": daily, "Y.txt": intraday}) as folder:
        result = import_folder(folder)
    assert check_account(result).select("symbol", "close").rows() == [("X", 10.5), ("X", 10.7)]
    assert result.files["duplicates"].to_list() == [1, 0]
    assert result.files["rejected"].to_list() == [0, 2]


def test_rows_beyond_the_sample_are_judged_too() -> None:
    lines = [f"X;2026-01-{day:02};10;11;9;10;100" for day in range(1, 20)]
    lines += ["X;2026-01-20;10,5;11;9;10,5;100", "X;2026-01-21;10;11;9;10,5;1.5E3"]
    with folder_of({"X.txt": "\n".join(lines[:20]), "Y.txt": "\n".join(lines).replace("X", "Y")}) as folder:
        result = import_folder(folder)
    rows = check_account(result)
    # X has decimal commas from its 20th row on. Y has points too, so a comma could be either mark, and none is guessed.
    assert rows.filter(pl.col("symbol") == "X").height == 20
    assert rows.filter(pl.col("symbol") == "Y").height == 19
    assert math.isclose(rows.filter(pl.col("symbol") == "X")["close"][-1], 10.5)
