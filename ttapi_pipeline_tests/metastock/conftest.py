# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A writer of every MetaStock dialect, to read back what it wrote. Numbers are written in full."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

from ttapi_pipeline.core.symbology import symbol_to_metastock
from ttapi_pipeline_tests.support.hostile_files import put_good


class Bar(NamedTuple):
    """One row to write."""

    session: date
    open: float
    high: float
    low: float
    close: float
    volume: float
    open_interest: float


_A = "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"

# dialect: header or none, row
_FORMS: Mapping[str, tuple[str | None, str]] = {
    "A": (_A, "{ric},D,{d},000000,{o},{h},{l},{c},{v},{i}"),
    "B": ("<TICKER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,", "{t},{d},{o},{h},{l},{c},{v}"),
    "C": (_A.replace("DTYYYYMMDD", "DATE"), "{dash}.US,D,{d},000000,{o},{h},{l},{c},{v},{i}"),
    "D": ("<ticker>,<date>,<open>,<high>,<low>,<close>,<vol>", "{t},{d},{o},{h},{l},{c},{v}"),
    "E": (None, "{t},{d},{o},{h},{l},{c},{v},{i}"),
    "F": (None, "{t},{d},{o},{h},{l},{c},{v}"),
    "G": (None, "{t},D,{d},{o},{h},{l},{c},{v}"),
    "H": ("<Ticker>,<DTYYYYMMDD>,<Open>,<High>,<Low>,<Close>,<Volume>", "{t},{d},{o},{h},{l},{c},{v}"),
    "I": (_A.title(), "{t},d,{d},000000,{o},{h},{l},{c},{v},{c},type7,900001"),
    "J": (
        "<TICKER>,<DTYYYYMMDD>,<FIRST>,<HIGH>,<LOW>,<CLOSE>,<VALUE>,<VOL>,<OPENINT>,<PER>,<OPEN>,<LAST>",
        "{t},{d},{o},{h},{l},{c},1.5E+09,{v},{i},D,0.25,0.5",
    ),
    "K": ("<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", "{t},8,{d},000000,{o},{h},{l},{c},{v}"),
    "L": ("<TICKER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", "{t},{d},0000,{o},{h},{l},{c},{v}"),
    "M": (f"<NAME>,{_A}", "Miedź i Spółka,{t},D,{d},000000,{o},{h},{l},{c},{v},{i}"),
}
_ONE_FILE_PER_SESSION = "DE"
_ONE_FILE = "FG"


def _row(form: str, symbol: str, bar: Bar) -> str:
    return form.format(
        ric=symbol_to_metastock(symbol),
        dash=symbol.replace("/", "-"),
        t=symbol.replace("/", "."),
        d=f"{bar.session:%Y%m%d}",
        o=repr(bar.open),
        h=repr(bar.high),
        l=repr(bar.low),
        c=repr(bar.close),
        v=repr(bar.volume),
        i=repr(bar.open_interest),
    )


def _file(dialect: str, symbol: str, session: date) -> str:
    if dialect == "A":
        return f"{symbol_to_metastock(symbol)}.txt"
    if dialect == "C":
        stem = symbol.lower().replace("/", "-")
        return f"data/daily/us/1/{'_' if stem in {'prn', 'con', 'aux', 'nul'} else ''}{stem}.us.txt"
    if dialect in _ONE_FILE_PER_SESSION:
        return f"NYSE_{session:%Y%m%d}.txt"
    if dialect in _ONE_FILE:
        return "all.csv"
    return f"{symbol.replace('/', '.')}.mst"


def _content(dialect: str, header: str | None, rows: Sequence[str]) -> bytes:
    lines = [*([header] if header else []), *(reversed(rows) if dialect == "H" else rows)]
    match dialect:
        case "H":
            # Its files begin with a BOM, are in no order, and say things twice.
            return ("\ufeff" + "\r\n".join([*lines, lines[-1]])).encode()
        case "M":
            return ("\n".join(lines) + "\n").encode("cp1250")
        case _:
            return ("\n".join(lines) + "\n").encode()


def _write_dialect(folder: Path, dialect: str, bars: Mapping[str, Sequence[Bar]]) -> None:
    header, form = _FORMS[dialect]
    rows: dict[str, list[str]] = {}
    for symbol, series in bars.items():
        for bar in series:
            rows.setdefault(_file(dialect, symbol, bar.session), []).append(_row(form, symbol, bar))
    for name, lines in rows.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(dialect, header, lines))


@pytest.fixture(scope="session")
def write_dialect() -> Callable[
    [Path, str, Mapping[str, Sequence[tuple[date, float, float, float, float, float, float]]]], None
]:
    """Write bars (session, open, high, low, close, volume, open interest) per symbol in one dialect, A to M."""

    def write(
        folder: Path, dialect: str, bars: Mapping[str, Sequence[tuple[date, float, float, float, float, float, float]]]
    ) -> None:
        _write_dialect(folder, dialect, {symbol: [Bar(*bar) for bar in series] for symbol, series in bars.items()})

    return write


@pytest.fixture(params=sorted(_FORMS))
def dialect(request: pytest.FixtureRequest) -> str:
    """Each dialect in turn."""
    return str(request.param)


@pytest.fixture
def good_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with one good file, which is removed however deep it has become."""
    folder = tmp_path / "files"
    folder.mkdir()
    put_good(folder)
    yield folder
    # What is nested too deep for a path, pytest does not remove, and for a recursion, nor does Python 3.11.
    subprocess.run(["rm", "-rf", str(folder)], check=True)
