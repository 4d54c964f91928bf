# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Folders are written here from the published layout: little-endian, MBF numbers packed by hand below."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.metastock.binary import Security, decode_index, decode_mbf, decode_records
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline_tests.support.metastock import check_account

SEVEN = ("date", "open", "high", "low", "close", "volume", "open_interest")
BITS = 1 | 2 | 4 | 8 | 16 | 32 | 64


def mbf(number: float) -> int:
    """A number of at most 24 bits as an MBF word."""
    if number == 0:
        return 0
    mantissa, exponent = math.frexp(abs(number))
    bits = round(mantissa * 2**24)
    assert bits < 2**24
    return (exponent + 128) << 24 | (0x0080_0000 if number < 0 else 0) | (bits & 0x007F_FFFF)


def data_file(rows: Sequence[Sequence[float]], *, behind: int = 0) -> bytes:
    width = len(rows[0]) if rows else len(SEVEN)
    header = struct.pack("<HH", len(rows) + 1, len(rows) + 1 - behind).ljust(4 * width, b"\0")
    return header + b"".join(struct.pack(f"<{width}I", *map(mbf, row)) for row in rows)


def master(securities: Mapping[int, tuple[str, str]]) -> bytes:
    """`securities` is (ticker, period) by file number; seven fields each."""
    records = [bytes([len(securities), 0, max(securities, default=0)]).ljust(53, b"\0")]
    for number, (ticker, period) in securities.items():
        record = bytearray(53)
        record[0], record[3], record[4], record[33] = number, 28, 7, ord(period)
        record[7:16] = b"Some name"
        record[36 : 36 + len(ticker)] = ticker.encode()
        records.append(bytes(record))
    return b"".join(records)


def emaster(securities: Mapping[int, tuple[str, str]]) -> bytes:
    records = [bytes([len(securities), 0, max(securities, default=0)]).ljust(192, b"\0")]
    for number, (ticker, period) in securities.items():
        record = bytearray(192)
        record[2], record[6], record[7], record[60] = number, 7, BITS, ord(period)
        record[11 : 11 + len(ticker)] = ticker.encode()
        records.append(bytes(record))
    return b"".join(records)


def xmaster(securities: Mapping[int, tuple[str, str]]) -> bytes:
    records = [(b"\x5d\xfe\x58\x4d".ljust(10, b"\0") + struct.pack("<H", len(securities))).ljust(150, b"\0")]
    for number, (ticker, period) in securities.items():
        record = bytearray(150)
        record[1 : 1 + len(ticker)] = ticker.encode()
        record[62], record[65:67], record[70] = ord(period), struct.pack("<H", number), BITS
        records.append(bytes(record))
    return b"".join(records)


@pytest.mark.parametrize(
    ("word", "number"),
    [
        # By hand: 1 = 0.5 x 2^1, exponent byte 1 + 128; -2.5 = -0.625 x 2^2, mantissa bit 2^-3 after the hidden one.
        (0x81_00_00_00, 1.0),
        (0x82_A0_00_00, -2.5),
        (0x80_00_00_00, 0.5),
        (0x84_20_00_00, 10.0),
        (0x94_74_27_50, 1_000_053.0),
        (0x00_12_34_56, 0.0),
        (0xFF_7F_FF_FF, math.ldexp(1 - 2**-24, 127)),
        (0x01_00_00_00, 2.0**-128),
    ],
)
def test_an_mbf_word_is_its_number(word: int, number: float) -> None:
    assert decode_mbf(np.array([word], dtype=np.uint32)).tolist() == [number]


SINGLES = st.floats(-(2.0**123), 2.0**123, width=32, allow_subnormal=False)


@given(SINGLES)
def test_mbf_agrees_with_the_shift_from_ieee_singles(number: float) -> None:
    # docs/protocols/metastock.md, "Binary folders", backwards: exponent bias 2 more, the sign moved down to bit 23.
    (ieee,) = struct.unpack("<I", struct.pack("<f", number))
    exponent = ieee >> 23 & 0xFF
    word = 0 if exponent == 0 else (exponent + 2) << 24 | (ieee >> 8 & 0x0080_0000) | (ieee & 0x007F_FFFF)
    assert decode_mbf(np.array([word], dtype=np.uint32)).tolist() == [number]


ROWS = [
    (1260102, 10.0, 11.0, 9.0, 10.5, 100.0, 0.0),
    (991231, 20.25, 21.5, 19.75, 20.5, 16_777_215.0, 3.0),
]


def test_all_three_indices_give_their_securities(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "MASTER").write_bytes(master({1: ("AAPL.O", "D"), 2: ("OLD", "D")}))
    (tmp_path / "a" / "EMASTER").write_bytes(emaster({2: ("BRKb.N", "D")}))
    (tmp_path / "a" / "XMaster").write_bytes(xmaster({256: ("MSFT.O", "D")}))
    (tmp_path / "a" / "F1.DAT").write_bytes(data_file(ROWS))
    (tmp_path / "a" / "f2.dat").write_bytes(data_file(ROWS))
    (tmp_path / "a" / "F256.MWD").write_bytes(data_file(ROWS, behind=1))
    (tmp_path / "a" / "F1.DOP").write_text('"Date"\n')
    result = import_folder(tmp_path)
    bars = check_account(result)
    assert result.rejects.is_empty()
    assert bars["symbol"].to_list() == ["AAPL", "AAPL", "BRK/B", "BRK/B", "MSFT"]
    assert bars.row(0) == ("AAPL", date(1999, 12, 31), 20.25, 21.5, 19.75, 20.5, 16_777_215.0, 3.0)
    assert bars.row(4) == ("MSFT", date(2026, 1, 2), 10.0, 11.0, 9.0, 10.5, 100.0, 0.0)
    dialects = dict(result.files.select("file", "dialect").iter_rows())
    assert dialects["a/F1.DAT"] == "binary"
    assert dialects["a/MASTER"] == dialects["a/F1.DOP"] == "index"


def test_bad_records_are_rejected_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "MASTER").write_bytes(master({1: ("X", "D"), 2: ("Y", "W"), 3: ("Z", "D"), 4: ("V", "D")}))
    rows = [
        ROWS[0],
        (1261301, *ROWS[0][1:]),
        (0, *ROWS[0][1:]),
        (1260105, 10.0, 9.0, 11.0, 10.0, 1.0, 0.0),
        (1260106, 0.0, 11.0, 9.0, 10.0, 1.0, 0.0),
        ROWS[0],
    ]
    (tmp_path / "F1.DAT").write_bytes(data_file(rows))
    (tmp_path / "F2.DAT").write_bytes(data_file(ROWS))
    (tmp_path / "F3.DAT").write_bytes(data_file(ROWS)[:-3])
    (tmp_path / "F4.DAT").write_bytes(data_file([]))
    (tmp_path / "F9.DAT").write_bytes(data_file(ROWS))
    result = import_folder(tmp_path)
    bars = check_account(result)
    # A low above its high, which neither holds open and close, and an open of 0.
    assert bars.select("open", "high", "low", "close").rows() == [
        (10.0, 11.0, 9.0, 10.5),
        (10.0, None, None, 10.0),
        (None, 11.0, 9.0, 10.0),
    ]
    assert result.lost == {"open": 1, "high": 1, "low": 1}
    assert "V" in result.rows_per_symbol["symbol"]
    assert result.rejects.select("file", "line", "reason").rows() == [
        ("F1.DAT", 2, "the date is not a date"),
        ("F1.DAT", 3, "the date is not a date"),
        ("F2.DAT", 1, "the period is not daily; TT_METASTOCK_PERIODS names those that are"),
        ("F2.DAT", 2, "the period is not daily; TT_METASTOCK_PERIODS names those that are"),
        ("F3.DAT", None, "it has 81 bytes, which are no records of 28"),
        ("F9.DAT", None, "no index file of its folder names it"),
    ]
    assert result.rejects["raw"][1] == "X,0.0,10.0,11.0,9.0,10.5,100.0,0.0"


def test_another_index_makes_its_data_files_new(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    (folder / "MASTER").write_bytes(master({1: ("X", "D")}))
    (folder / "F1.DAT").write_bytes(data_file(ROWS))
    (folder / "B.txt").write_text("B,20260102,10,11,9,10,1\n")
    assert import_folder(folder, cache=cache).files_read == 3
    (folder / "MASTER").write_bytes(master({1: ("W", "D")}))
    os.utime(folder / "MASTER", ns=(1, 1))
    again = import_folder(folder, cache=cache)
    assert again.files_read == 2
    assert again.bars.select(pl.col("symbol").unique(maintain_order=True)).collect()["symbol"].to_list() == ["B", "W"]


@given(st.binary(max_size=400), st.sampled_from(["MASTER", "EMASTER", "XMASTER"]), st.integers(0, 3))
def test_any_bytes_are_an_index_or_an_invalid_format(content: bytes, name: str, repeats: int) -> None:
    try:
        decode_index(name, content * repeats)
    except InvalidFormatError:
        return


@given(st.binary(max_size=300), st.sampled_from([SEVEN, SEVEN[:1], ("date", "close"), ()]))
def test_any_bytes_are_records_or_an_invalid_format(content: bytes, fields: Sequence[str]) -> None:
    try:
        records = decode_records(content, Security("X", "D", fields))
    except InvalidFormatError:
        return
    assert records.columns == list(fields)
