# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Two instruments of one ticker in one folder tree, and one instrument in several folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline import cli
from ttapi_pipeline.commands.exit_codes import INCOMPLETE, OK
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of

NAMED = "Date,Open,High,Low,Close,Volume\n"
EODDATA = "<ticker>,<date>,<open>,<high>,<low>,<close>,<vol>\n"


def prices(first: str, closes: Sequence[float]) -> str:
    """Bars of consecutive days that stand still at each close."""
    days = [date.fromisoformat(first) + timedelta(days=at) for at in range(len(closes))]
    return NAMED + "".join(f"{day},{c},{c},{c},{c},100\n" for day, c in zip(days, closes, strict=True))


def session_file(day: str, **closes: float) -> str:
    return EODDATA + "".join(f"{ticker},{day},{c},{c},{c},{c},100\n" for ticker, c in closes.items())


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


SAME_DAYS = {
    "nyse/C.csv": prices("2026-10-26", [83, 83.5, 84, 83.7]),
    "tsx/C.csv": prices("2026-10-27", [5.01, 5.11, 5.05]),
}
NEXT_DAYS = {
    "nyse/C.csv": prices("2026-10-27", [83, 83.5, 84, 83.7]),
    "tsx/C.csv": prices("2026-11-02", [5.05, 5.01, 5.11]),
}
BY_TICKER = {
    "NYSE_20261029.txt": session_file("20261029", C=84, KO=60),
    "NYSE_20261030.txt": session_file("20261030", C=83.7, KO=61),
    "NYSE_20261102.txt": session_file("20261102", C=83.5, KO=61),
    "TSX_20261029.txt": session_file("20261029", C=5.05, RY=190),
    "TSX_20261030.txt": session_file("20261030", C=5.01, RY=191),
}


FOUND: Sequence[tuple[Mapping[str, str], Sequence[float], Mapping[str, int], str]] = (
    (
        SAME_DAYS,
        [83, 83.5, 84, 83.7],
        {"tsx/C.csv": 3},
        (
            "C: C of nyse/C.csv has it, and 3 rows of C in tsx/C.csv are set aside, since their closes differ in 3 of 3"
            " sessions that both have, 83.7 and 5.05 on 2026-10-29"
        ),
    ),
    (
        NEXT_DAYS,
        [83, 83.5, 84, 83.7],
        {"tsx/C.csv": 3},
        (
            "C: C of nyse/C.csv has it, and 3 rows of C in tsx/C.csv are set aside, since the price steps from 83.7 on"
            " 2026-10-30 to 5.05 on 2026-11-02, which is no split"
        ),
    ),
    (
        BY_TICKER,
        [84, 83.7, 83.5],
        {"TSX_20261029.txt": 1, "TSX_20261030.txt": 1},
        (
            "C: C of NYSE_20261102.txt has it, and 2 rows of C in TSX_20261029.txt and 1 other file are set aside,"
            " since their closes differ in 2 of 2 sessions that both have, 83.7 and 5.01 on 2026-10-30"
        ),
    ),
)


@pytest.mark.parametrize("case", FOUND)
def test_one_of_two_instruments_has_the_ticker_and_the_other_is_named(
    case: tuple[Mapping[str, str], Sequence[float], Mapping[str, int], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files, closes, rejected, words = case
    result = import_folder(write(tmp_path, files))
    assert check_account(result).filter(symbol="C")["close"].to_list() == closes
    assert dict(result.rejects.select("file", "rows").iter_rows()) == rejected
    assert result.notices.filter(kind="conflict")["notice"].to_list() == [words]
    assert result.notices.filter(kind="warning").is_empty()
    assert all("TT_METASTOCK_SYMBOL_MAP" in reason for reason in result.rejects["reason"])
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == INCOMPLETE
    assert words in " ".join(capsys.readouterr().out.split())


def test_the_user_may_say_that_they_are_one(tmp_path: Path) -> None:
    result = import_folder(write(tmp_path, NEXT_DAYS), symbol_map={"C": "C"})
    assert check_account(result)["close"].to_list() == [83, 83.5, 84, 83.7, 5.05, 5.01, 5.11]
    assert result.rejects.is_empty()


@pytest.mark.parametrize(
    "files",
    [
        # A vendor's years, of which one steps as no split does, and of which one repeats the end of another.
        {"2024/AAPL.csv": prices("2024-12-28", [250, 251]), "2025/AAPL.csv": prices("2024-12-30", [90, 91])},
        {"old/AAPL.csv": prices("2024-12-28", [250, 251]), "new/AAPL.csv": prices("2024-12-29", [251.2, 252])},
        # Splits of 4:1 and 1:10 at the seam, and a tripled price after a gap of two years.
        {"old/AAPL.csv": prices("2020-08-27", [500, 499]), "new/AAPL.csv": prices("2020-08-31", [127.58, 129])},
        {"old/C.csv": prices("2011-05-05", [4.5, 4.52]), "new/C.csv": prices("2011-05-09", [44.16, 44.2])},
        {"old/NVDA.csv": prices("2022-12-29", [14.6]), "new/NVDA.csv": prices("2024-12-30", [137.5])},
        # A share that moves from one exchange to another.
        {"NYSE_20261030.txt": session_file("20261030", C=83), "NASDAQ_20261102.txt": session_file("20261102", C=84)},
    ],
)
def test_files_that_continue_or_repeat_each_other_are_one_series(files: Mapping[str, str], tmp_path: Path) -> None:
    result = import_folder(write(tmp_path, files))
    check_account(result)
    assert result.rejects.is_empty()
    assert result.notices.filter(kind="conflict").is_empty()


def test_one_slip_among_the_closes_that_two_vendors_share_leaves_them_one_series(tmp_path: Path) -> None:
    files = {"a/KO.csv": prices("2026-10-26", [60, 61, 62]), "b/KO.csv": prices("2026-10-26", [60, 6.1, 62])}
    result = import_folder(write(tmp_path, files))
    assert check_account(result)["close"].to_list() == [60, 61, 62]
    assert result.rejects.select("file", "rows").rows() == [("b/KO.csv", 1)]
    assert result.notices.filter(kind="conflict").is_empty()


@settings(max_examples=examples(40), deadline=None)
@given(
    folders=st.lists(st.sampled_from("abcdef"), min_size=2, max_size=5, unique=True),
    of=st.lists(st.sampled_from([83.0, 5.0]), min_size=5, max_size=5),
    starts=st.lists(st.integers(0, 12), min_size=5, max_size=5),
)
def test_no_series_has_closes_of_two_instruments(
    folders: Sequence[str], of: Sequence[float], starts: Sequence[int]
) -> None:
    """Whatever folders the two are in, and however their days lie to one another."""
    with folder_of({}) as folder:
        for name, close, start in zip(folders, of, starts, strict=False):
            first = date(2026, 10, 1) + timedelta(days=start)
            write(folder, {f"{name}/C.csv": prices(first.isoformat(), [close] * 3)})
        result = import_folder(folder)
    bars = check_account(result)
    assert bars["close"].n_unique() == 1
    kept = {name for name, close in zip(folders, of, strict=False) if close == bars["close"][0]}
    assert set(result.rejects["file"]) == {f"{name}/C.csv" for name in folders if name not in kept}


def test_what_is_added_and_removed_is_judged_with_what_is_in_the_cache(tmp_path: Path) -> None:
    folder, cache = write(tmp_path / "files", {"nyse/C.csv": SAME_DAYS["nyse/C.csv"]}), tmp_path / "cache"
    before = import_folder(folder, cache=cache)
    write(folder, {"tsx/C.csv": SAME_DAYS["tsx/C.csv"]})
    result = import_folder(folder, cache=cache)
    assert check_account(result).equals(check_account(before))
    assert result.versions(result.ranges()) == before.versions(before.ranges())
    (folder / "nyse" / "C.csv").unlink()
    assert check_account(import_folder(folder, cache=cache))["close"].to_list() == [5.01, 5.11, 5.05]
    assert cli.main(["import", "--dry-run", str(folder)]) == OK
