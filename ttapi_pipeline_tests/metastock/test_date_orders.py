# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Day and month: proven by the file, by other files of its dialect, or by the setting, and never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ttapi_pipeline import cli
from ttapi_pipeline.commands.exit_codes import INCOMPLETE, OK
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.metastock.date_orders import open_dates, settle
from ttapi_pipeline.metastock.dates import AMBIGUOUS, AMBIGUOUS_YEAR, read_dates
from ttapi_pipeline.metastock.importer import FolderImport, import_folder
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of

PLAIN = "Date,Open,High,Low,Close,Volume\n"
EODDATA = "<ticker>,<date>,<open>,<high>,<low>,<close>,<vol>\n"


def dates_of(result: FolderImport, symbol: str) -> list[date]:
    return check_account(result).filter(symbol=symbol)["session"].to_list()


def plain(*days: str) -> str:
    return PLAIN + "".join(f"{day},10,11,9,10.5,100\n" for day in days)


def test_one_file_per_day_takes_the_order_that_another_day_proves() -> None:
    days = {"NYSE_20261109.txt": "11/09/2026", "NYSE_20261120.txt": "11/20/2026"}
    with folder_of({name: f"{EODDATA}A,{day},130,131,129,130.5,1\n" for name, day in days.items()}) as folder:
        result = import_folder(folder)
    assert dates_of(result, "A") == [date(2026, 11, 9), date(2026, 11, 20)]
    assert "dialect D: dates are month first, by the dates of 1 file; 1 other read likewise" in set(
        result.notices["notice"]
    )


def test_proofs_that_contradict_each_other_prove_nothing_to_others() -> None:
    files = {
        "AAA.csv": plain("01/02/2026"),
        "BBB.csv": plain("13/02/2026"),
        "CCC.csv": plain("02/13/2026"),
        "DDD.csv": plain("13/02/2026", "02/13/2026"),
    }
    with folder_of(files) as folder:
        result = import_folder(folder)
    assert dates_of(result, "AAA") == []
    assert result.rejects.select("file", "reason").rows() == [("AAA.csv", AMBIGUOUS)]
    (warning,) = result.notices.filter(kind="warning")["notice"]
    assert "files prove both orders; set TT_METASTOCK_DATE_ORDER to dmy or mdy" in warning


def test_another_dialect_proves_nothing() -> None:
    with folder_of({"AAA.csv": plain("01/02/2026"), "b.txt": f"{EODDATA}B,13/02/2026,1,1,1,1,1\n"}) as folder:
        assert dates_of(import_folder(folder), "AAA") == []


def test_files_are_read_again_when_the_evidence_changes(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    (folder / "AAA.csv").write_text(plain("01/02/2026", "02/02/2026"))
    first = import_folder(folder, cache=cache)
    assert dates_of(first, "AAA") == [date(2026, 2, 2)]
    (folder / "BBB.csv").write_text(plain("13/02/2026"))
    second = import_folder(folder, cache=cache)
    assert dates_of(second, "AAA") == [date(2026, 2, 1), date(2026, 2, 2)]
    assert second.files_read == 2
    assert second.versions(second.ranges())[0] != first.versions(first.ranges())[0]
    assert import_folder(folder, cache=cache).files_read == 0
    # The file that proves it is replaced by one that proves the other order, and then is gone.
    (folder / "BBB.csv").write_text(plain("02/13/2026", "02/14/2026"))
    third = import_folder(folder, cache=cache)
    assert (third.files_read, dates_of(third, "AAA")) == (2, [date(2026, 1, 2), date(2026, 2, 2)])
    (folder / "BBB.csv").unlink()
    last = import_folder(folder, cache=cache)
    assert (last.files_read, dates_of(last, "AAA")) == (1, [date(2026, 2, 2)])


DAYS = st.lists(st.dates(date(2025, 1, 1), date(2026, 12, 31)), min_size=1, max_size=4, unique=True)


@settings(max_examples=examples(50), deadline=None)
@given(
    files=st.dictionaries(st.sampled_from(["AAA", "BBB", "CCC", "DDD"]), DAYS, min_size=1),
    order=st.sampled_from(["dmy", "mdy"]),
)
def test_a_date_is_the_one_that_was_written_or_is_rejected(files: Mapping[str, list[date]], order: str) -> None:
    form = {"dmy": "%d/%m/%Y", "mdy": "%m/%d/%Y"}[order]
    contents = {f"{name}.csv": plain(*(f"{day:{form}}" for day in days)) for name, days in files.items()}
    with folder_of(contents) as folder:
        result = import_folder(folder)
    is_proven = any(day.day > 12 for days in files.values() for day in days)
    for name, days in files.items():
        read = dates_of(result, name)
        assert set(read) <= set(days)
        assert not is_proven or sorted(days) == read
    assert set(result.rejects["reason"]) <= {AMBIGUOUS}


FORMATS = {"dmy": "%d{0}%m{0}%y", "mdy": "%m{0}%d{0}%y", "ymd": "%y{0}%m{0}%d"}
TODAY = date(2026, 11, 28)
SESSIONS = sessions_between(date(1990, 1, 2), TODAY)


@settings(max_examples=examples(60), deadline=None)
@given(
    order=st.sampled_from(sorted(FORMATS)),
    mark=st.sampled_from("/-."),
    first=st.integers(0, len(SESSIONS) - 1),
    count=st.sampled_from([1, 2, 3, 8, 20, 60, 250, 1000]),
    is_newest_first=st.booleans(),
)
def test_sessions_with_years_of_two_digits_are_read_as_written_and_two_in_a_row_always(
    order: str, mark: str, first: int, count: int, *, is_newest_first: bool
) -> None:
    assume((order, mark) != ("mdy", "."))
    days = SESSIONS[first : first + count]
    texts = [f"{day:{FORMATS[order].format(mark)}}" for day in days]
    dates = open_dates(texts[::-1] if is_newest_first else texts)
    orders = settle(dates, order=None, today=TODAY)
    read = read_dates(texts, orders.taken)
    assert all(read.dates[text] == day for text, day in zip(texts, days, strict=True) if text in read.dates)
    assert set(read.faults.values()) <= {AMBIGUOUS_YEAR}
    assert len(days) == 1 or not read.faults


@pytest.mark.parametrize(
    ("files", "expected", "said"),
    [
        # The first sessions of a month, of which each is a date in two or three orders.
        ({"A.csv": ("20/09/01", "20/09/02", "20/09/03")}, ["2020-09-01", "2020-09-02", "2020-09-03"], "year first"),
        ({"A.csv": ("09-12-30", "09-12-31", "10-01-04")}, ["2009-12-30", "2009-12-31", "2010-01-04"], "year first"),
        ({"A.csv": ("09.12.30", "09.12.31")}, ["2009-12-30", "2009-12-31"], "year first"),
        ({"A.csv": ("01.09.20", "02.09.20", "03.09.20")}, ["2020-09-01", "2020-09-02", "2020-09-03"], "day first"),
        ({"A.csv": ("09/01/20", "09/02/20", "09/03/20")}, ["2020-09-01", "2020-09-02", "2020-09-03"], "month first"),
        ({"A.csv": ("98/12/30 16:00", "98/12/31 16:00")}, ["1998-12-30", "1998-12-31"], "year first"),
        # In any other order they have not come, or are none.
        ({"A.csv": ("98/12/31",)}, ["1998-12-31"], "year first"),
        ({"A.csv": ("20/11/30",)}, ["2020-11-30"], "year first"),
        # Against the convention.
        ({"A.csv": ("010920", "020920", "030920")}, ["2020-09-01", "2020-09-02", "2020-09-03"], "day first"),
        ({"A.csv": ("20-Sep-01", "20-Sep-02")}, ["2020-09-01", "2020-09-02"], "year first"),
        # By convention, which is said.
        ({"A.csv": ("200901",)}, ["2020-09-01"], "year first, as is usual"),
        # One file per session: together they prove it.
        (
            {"A.csv": ("20/09/01",), "B.csv": ("20/09/02",), "C.csv": ("20/09/03",)},
            ["2020-09-01", "2020-09-02", "2020-09-03"],
            "year first, by the dates of 3 files together",
        ),
        # Another file proves it.
        (
            {"A.csv": ("20/09/01",), "B.csv": ("20/09/01", "20/09/02")},
            ["2020-09-01", "2020-09-01", "2020-09-02"],
            "year first, by the dates of 1 file; 1 other read likewise",
        ),
    ],
)
@pytest.mark.parametrize("header", ["Date,Open,High,Low,Close,Volume\n", "<DATE>;<TIME>;<CLOSE>\n"])
def test_years_of_two_digits_are_told_by_what_bars_are(
    header: str, files: Mapping[str, Sequence[str]], expected: Sequence[str], said: str
) -> None:
    row = "{},10,11,9,10.5,100\n" if "," in header else "{};000000;10.5\n"
    contents = {name: header + "".join(row.format(text) for text in texts) for name, texts in files.items()}
    with folder_of(contents) as folder:
        result = import_folder(folder, today=TODAY)
    bars = check_account(result)
    assert [str(day) for day in bars["session"]] == expected
    assert any(said in notice for notice in result.notices["notice"])
    assert result.notices.filter(pl.col("notice").str.contains("cannot be told apart")).is_empty()


@pytest.mark.parametrize(
    ("files", "aside"),
    [
        ({"A.csv": ("20/09/01",)}, "A.csv"),
        ({"A.csv": ("09.12.11",)}, "A.csv"),
        ({"A.csv": ("05-03-04",)}, "A.csv"),
        # Each proves its own order, so that they prove nothing to the third.
        (
            {
                "A.csv": ("20/09/01", "20/09/02", "20/09/03"),
                "B.csv": ("01/09/20", "02/09/20", "03/09/20"),
                "C.csv": ("20/09/01",),
            },
            "C.csv",
        ),
        # What another form proves says nothing of this one.
        ({"A.csv": ("13/02/2026",), "B.csv": ("20/09/01",), "C.csv": ("20-09-01", "20-09-02")}, "B.csv"),
        # Month first, they would be daily, on days of which many are no session.
        ({"A.csv": tuple(f"01/{month:02}/06" for month in range(1, 13))}, "A.csv"),
    ],
)
def test_dates_that_may_have_several_orders_are_set_aside_with_the_setting(
    files: Mapping[str, Sequence[str]], aside: str
) -> None:
    with folder_of({name: plain(*texts) for name, texts in files.items()}) as folder:
        result = import_folder(folder, today=TODAY)
    check_account(result)
    assert set(result.rejects["file"]) == {aside}
    assert set(result.rejects["reason"]) == {AMBIGUOUS_YEAR}
    (warning,) = result.notices.filter(kind="warning")["notice"]
    assert warning.endswith("set TT_METASTOCK_DATE_ORDER to dmy, mdy or ymd")


def test_the_dry_run_says_how_years_of_two_digits_were_read_and_the_setting_decides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "AAA.csv").write_text(plain("20/09/01"))
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == INCOMPLETE
    text = " ".join(capsys.readouterr().out.split())
    assert "set TT_METASTOCK_DATE_ORDER to dmy, mdy or ymd" in text
    for order, day in (("ymd", "2020-09-01"), ("dmy", "2001-09-20")):
        monkeypatch.setenv("TT_METASTOCK_DATE_ORDER", order)
        assert cli.main(["import", "--dry-run", str(tmp_path)]) == OK
        assert f"{day} to {day}" in " ".join(capsys.readouterr().out.split())
    monkeypatch.delenv("TT_METASTOCK_DATE_ORDER")
    (tmp_path / "BBB.csv").write_text(plain("20/09/01", "20/09/02"))
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == OK
    text = " ".join(capsys.readouterr().out.split())
    assert "dates such as 20/09/01 are year first, by the dates of 1 file; 1 other read likewise" in text
    assert "2020-09-01 to 2020-09-02" in text


def test_the_dry_run_names_the_setting_and_the_setting_reads_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "AAA.csv").write_text(plain("01/02/2026"))
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == INCOMPLETE
    text = " ".join(capsys.readouterr().out.split())
    assert "set TT_METASTOCK_DATE_ORDER to dmy or mdy" in text
    monkeypatch.setenv("TT_METASTOCK_DATE_ORDER", "dmy")
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == OK
    text = " ".join(capsys.readouterr().out.split())
    assert "2026-02-01 to 2026-02-01" in text
    assert "dates such as 3/4/2021 are day first, as TT_METASTOCK_DATE_ORDER says" in text


def test_every_setting_changes_what_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "all.txt").write_text(
        "<TICKER>,<PER>,<DATE>,<CLOSE>,<VOL>\nX.WA,1440,20260105,10,5\nY,1440,20260105,10,5\n"
    )
    for name, value in {"PERIODS": "1440", "SUFFIXES": "wa", "CODE_PAGE": "cp1252", "VOLUME_MULTIPLIER": "100"}.items():
        monkeypatch.setenv(f"TT_METASTOCK_{name}", value)
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == OK
    text = " ".join(capsys.readouterr().out.split())
    for said in (
        "periods that are daily: 1440 (as TT_METASTOCK_PERIODS says)",
        "TT_METASTOCK_SUFFIXES says what is stripped: WA",
        "text that is not Unicode is cp1252 (as TT_METASTOCK_CODE_PAGE says)",
        "volumes are in units of 100 (as TT_METASTOCK_VOLUME_MULTIPLIER says)",
    ):
        assert said in text
    options = ImportOptions(exchange_suffixes=frozenset({"WA"}), daily_periods=frozenset({"1440"}))
    assert check_account(import_folder(tmp_path, options=options))["symbol"].to_list() == ["X", "Y"]
