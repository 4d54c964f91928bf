# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which instrument a ticker means: never another one, and never two of them in one series."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline import cli
from ttapi_pipeline.commands.exit_codes import INCOMPLETE, OK
from ttapi_pipeline.core.symbology import file_stem
from ttapi_pipeline.metastock.evidence import Scheme, find_scheme, symbol_of
from ttapi_pipeline.metastock.importer import FolderImport, import_folder
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of

EODDATA = "<ticker>,<date>,<open>,<high>,<low>,<close>,<vol>\n"
NAMED = "Date,Open,High,Low,Close,Volume\n"


def row(ticker: str, close: float, day: str = "20191125") -> str:
    return f"{ticker},{day},{close},{close},{close},{close},100\n"


def last_closes(result: FolderImport) -> Mapping[str, float]:
    return dict(check_account(result).select("symbol", "close").iter_rows())


# What a vendor's tickers mean beside one another, from the symbol lists of each vendor.
VENDORS: Sequence[tuple[Scheme, Mapping[str, str | None]]] = (
    (Scheme.PLAIN, {"AAPL": "AAPL", "BRK.B": "BRK/B", "BF.B": "BF/B"}),
    (Scheme.PLAIN, {"AAPL": "AAPL", "BRK-B": "BRK/B", "^SPX": "SPX"}),
    (Scheme.PLAIN, {"Aapl": "AAPL", "Ge": "GE", "BRKb": "BRK/B"}),
    (Scheme.COUNTRY, {"Aapl.us": "AAPL", "Ge.us": "GE"}),
    (Scheme.PLAIN, {"aapl_us_d": "AAPL", "brk-b_us_d": "BRK/B", "^spx_d": "SPX", "MSFT": "MSFT"}),
    # Without a country and a caret it is a Polish share (PKO Bank), which is none of ours.
    (Scheme.PLAIN, {"pko_d": None, "aapl_us_w": None, "MSFT": "MSFT"}),
    (Scheme.COUNTRY, {"aapl.us": "AAPL", "brk-b.us": "BRK/B", "^spx": "SPX"}),
    (Scheme.COUNTRY, {"AAPL.US": "AAPL", "1301.JP": "1301/JP"}),
    (
        Scheme.RIC,
        {"AAPL.O": "AAPL", "BMY.N": "BMY", "SPY.P": "SPY", ".DJX": "DJX", "BRKb.N": "BRK/B", "VOD.L": "VOD/L"},
    ),
    (Scheme.CLASSES, {"BMY": "BMY", "BMY.P": "BMY/P", "AGM.A": "AGM/A", "AGM-A": "AGM/PRA", "KSU-": "KSU/PR"}),
    (Scheme.COUNTRY, {"aapl.us": "AAPL", "or.fr": "OR/FR", "ko.uk": "KO/UK", "mc.fr": "MC/FR"}),
    (Scheme.COUNTRY, {"AAPL.US": "AAPL", "NESN.CH": "NESN/CH", "RY.CA": "RY/CA", "^SPX": "SPX"}),
    (Scheme.FINAM, {"US2.AAPL": "AAPL", "US1.BMY": "BMY"}),
    # Evidence that is mixed strips nothing, and a market is no share class.
    (Scheme.UNPROVEN, {"AAPL.O": "AAPL/O", "MSFT": "MSFT", "BRKb.N": "BRK/B"}),
    (Scheme.UNPROVEN, {"aapl.us": "AAPL/US", "MSFT": "MSFT"}),
    (Scheme.UNPROVEN, {"BMY.P": "BMY/P", "KSU.P": "KSU/P"}),
    (Scheme.UNPROVEN, {"AAPL.NASDAQ": "AAPL/NASDAQ", "GE.NYSE": "GE/NYSE", "SPX": "SPX"}),
    (Scheme.PLAIN, {"US2.AAPL": None, "MSFT": "MSFT"}),
)


@pytest.mark.parametrize(("scheme", "meanings"), VENDORS)
def test_tickers_prove_together_what_each_of_them_means(scheme: Scheme, meanings: Mapping[str, str | None]) -> None:
    assert find_scheme(list(meanings)) is scheme
    assert {ticker: symbol_of(ticker, scheme) for ticker in meanings} == meanings


def test_the_preferred_and_the_rights_of_eoddata_are_other_instruments() -> None:
    tickers = {"AGM-A": 25.77, "AGM.A": 72.69, "BMY": 56.17, "BMY.P": 2.06, "KSU": 154.02, "KSU.P": 27.9591}
    with folder_of({"NYSE_20191125.txt": EODDATA + "".join(row(*each) for each in tickers.items())}) as folder:
        result = import_folder(folder)
    assert last_closes(result) == {
        "AGM/A": 72.69,
        "AGM/PRA": 25.77,
        "BMY": 56.17,
        "BMY/P": 2.06,
        "KSU": 154.02,
        "KSU/P": 27.9591,
    }


@pytest.mark.parametrize("header", [EODDATA, "Symbol,Date,Open,High,Low,Close,Volume\n"])
@pytest.mark.parametrize(
    "meanings",
    [
        # EODData's own files: a right, a preferred share and classes beside suffixes that Reuters has, too.
        {"BMY.P": "BMY/P", "GS.N": "GS/N", "KSU.P": "KSU/P", "MS.O": "MS/O"},
        {"BRK.A": "BRK/A", "BF.A": "BF/A", "GS.K": "GS/K"},
        {"AGM.N": "AGM/N", "BAC.K": "BAC/K", "HEI.A": "HEI/A"},
        {"BAC.K": "BAC/K"},
        {"GS.K": "GS/K", "SPY.Z": "SPY/Z"},
        # A converter wrote them: exchanges only.
        {"AAPL.O": "AAPL", "BMY.N": "BMY"},
    ],
)
def test_in_files_of_eoddata_a_kind_of_share_is_no_exchange(header: str, meanings: Mapping[str, str]) -> None:
    with folder_of({"NYSE_20191125.txt": header + "".join(row(ticker, 3) for ticker in meanings)}) as folder:
        result = import_folder(folder)
    assert set(last_closes(result)) == set(meanings.values())
    stays = [each for each in result.notices.filter(kind="warning")["notice"] if "TT_METASTOCK_SUFFIXES" in each]
    assert bool(stays) == any("/" in symbol for symbol in meanings.values())
    assert not any("not every ticker" in each for each in stays)


def test_each_folder_proves_its_own_scheme() -> None:
    with folder_of({}) as folder:
        for name, text in {
            "kaggle/Stocks/aapl.us.txt": NAMED + "20260105,1,1,1,1,1\n",
            "mine/MSFT.txt": NAMED + "20260105,2,2,2,2,1\n",
            "mine/BRK-B.txt": NAMED + "20260105,3,3,3,3,1\n",
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        assert last_closes(import_folder(folder)) == {"AAPL": 1.0, "MSFT": 2.0, "BRK/B": 3.0}


@pytest.mark.parametrize(
    ("files", "symbols"),
    [
        ({"^spx.txt": "^SPX,20261119,1,1,1,1,1\n", "^vix.txt": NAMED + "2026-11-19,1,1,1,1,0\n"}, ["SPX", "VIX"]),
        ({f"{name}.csv": NAMED + "2026-11-19,1,1,1,1,0\n" for name in ("aapl_us_d", "^spx_d")}, ["AAPL", "SPX"]),
        ({"aapl.us.txt": NAMED + "19840907,1,1,1,1,1\n"}, ["AAPL"]),
        ({"f.csv": "<TICKER>,<PER>,<DATE>,<CLOSE>\nUS2.AAPL,D,20261120,1\nUS2.BMY,D,20261120,1\n"}, ["AAPL", "BMY"]),
        # The name of a file without rows proves nothing.
        ({"a.txt": row("AAPL.O", 1) + row("BMY.N", 1), "EMPTY.txt": EODDATA}, ["AAPL", "BMY", "EMPTY"]),
    ],
)
def test_downloads_are_known_by_their_names(
    files: Mapping[str, str], symbols: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with folder_of(files) as folder:
        assert cli.main(["import", "--dry-run", "--json", str(folder)]) == OK
    assert json.loads(capsys.readouterr().out)["symbols"] == symbols


SPELLINGS = (
    "{}",
    "{}.US",
    "{}.O",
    "{}.N",
    "{}.P",
    "{}.A",
    "{}-A",
    "US2.{}",
    "^{}",
    ".{}",
    "{}a.N",
    "{}_us_d",
    "{}.PR.A",
)
LOWER = ("{}", "{}.us", "{}_us_d")


@st.composite
def colliding_folders(draw: st.DrawFn) -> Mapping[str, str]:
    """Spellings of a few tickers in files of several vendors; the closes of a spelling are its own number."""
    stems = draw(st.lists(st.sampled_from(["AA", "BMY", "KSU"]), min_size=1, max_size=2, unique=True))
    every = [form.format(stem) for stem in stems for form in SPELLINGS]
    every += [form.format(stem.lower()) for stem in stems for form in LOWER]
    numbers = {spelling: number for number, spelling in enumerate(every, start=1)}
    chosen = draw(st.lists(st.sampled_from(every), min_size=1, max_size=6))
    days = draw(st.sampled_from([("20260105", "20260106"), ("20260105", "20260106", "20260105")]))
    files: dict[str, str] = {}
    for at, spelling in enumerate(chosen):
        rows = "".join(row(spelling, numbers[spelling], day) for day in days)
        match draw(st.sampled_from(["one file", "own file", "named"])):
            case "one file":
                files["NYSE.txt"] = files.get("NYSE.txt", EODDATA) + rows
            case "own file":
                files[f"{at}.mst"] = rows
            case "named":
                own = "".join(
                    f"{day},{numbers[spelling]},{numbers[spelling]},{numbers[spelling]},{numbers[spelling]},1\n"
                    for day in days
                )
                files[f"{file_stem(spelling).replace('%5F', '_')}.csv"] = NAMED + own
    return files


@settings(max_examples=examples(80), deadline=None)
@given(contents=colliding_folders(), suffixes=st.sampled_from([None, frozenset({"US", "P"}), frozenset()]))
def test_spellings_that_collide_are_never_merged(contents: Mapping[str, str], suffixes: frozenset[str] | None) -> None:
    with folder_of(contents) as folder:
        result = import_folder(folder, options=ImportOptions(exchange_suffixes=suffixes))
    bars = check_account(result)
    # The closes of a symbol come from one spelling, and no spelling has two symbols from one place.
    assert bars.group_by("symbol").agg(pl.col("close").n_unique())["close"].max() in (1, None)
    rejected = set(result.rejects["symbol"].drop_nulls())
    kept = set(bars["close"])
    for text in contents.values():
        for line in text.splitlines():
            ticker, _, *values = line.split(",")
            if len(values) == 5 and ticker != "<ticker>" and float(values[0]) not in kept:
                assert ticker in rejected
    conflicts = result.notices.filter(kind="conflict")
    assert set(result.rejects.filter(pl.col("reason").str.contains("never put together"))["file"]) == set(
        conflicts["file"]
    )


def test_one_of_several_spellings_has_the_symbol_and_the_user_may_join_them() -> None:
    contents = {
        "FB.txt": row("FB", 300, "20220608"),
        "META.txt": row("META", 190, "20220609"),
        "old.txt": EODDATA + row("META.O", 191, "20220609") + row("MSFT.O", 250, "20220609"),
    }
    with folder_of(contents) as folder:
        result = import_folder(folder)
        joined = import_folder(folder, symbol_map={"FB": "META"})
    assert last_closes(result)["META"] == 190
    set_aside = result.rejects.row(0, named=True)
    assert (set_aside["file"], set_aside["symbol"], set_aside["rows"], set_aside["line"]) == (
        "old.txt",
        "META.O",
        1,
        None,
    )
    assert "META.O" in set_aside["reason"]
    assert "TT_METASTOCK_SYMBOL_MAP" in set_aside["reason"]
    meta = check_account(joined).filter(symbol="META")
    assert meta["close"].to_list() == [300, 190]


def test_rows_of_one_ticker_that_contradict_each_other_are_told() -> None:
    contents = {
        "a.txt": row("AAPL", 250) + row("AAPL", 250.1, "20191126") + row("MSFT", 40),
        "b.txt": row("AAPL", 2)
        + row("AAPL", 250.2, "20191126")
        + row("IBM", 8)
        + row("IBM", 80)
        + row("T", 3)
        + row("T", 3),
    }
    with folder_of(contents) as folder:
        result = import_folder(folder)
    assert check_account(result).filter(session=date(2019, 11, 25))["close"].to_list() == [2, 80, 40, 3]
    assert result.files["duplicates"].to_list() == [2, 2]
    assert result.notices.filter(kind="warning").select("file", "rows").rows() == [("a.txt", 1), ("b.txt", 1)]


def test_the_same_spelling_in_the_cache_and_in_a_new_file_is_judged_together(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    (folder / "a.txt").write_text(EODDATA + row("AAPL.O", 1) + row("BMY.N", 2))
    assert set(last_closes(import_folder(folder, cache=cache))) == {"AAPL", "BMY"}
    # A plain ticker beside them: not every one has an exchange, so that nothing is stripped any more.
    (folder / "b.txt").write_text(EODDATA + row("AAPL", 3))
    result = import_folder(folder, cache=cache)
    assert (result.files_read, last_closes(result)) == (1, {"AAPL": 3.0, "AAPL/O": 1.0, "BMY/N": 2.0})
    (folder / "b.txt").unlink()
    assert last_closes(import_folder(folder, cache=cache)) == {"AAPL": 1.0, "BMY": 2.0}


def test_a_dry_run_tells_lost_fields_and_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "SPX.csv").write_text(
        NAMED + "2018-12-03,2790,2800,2773,2790,-108907296\n2018-12-04,0,2785,2697,2700,1\n"
    )
    code, text = dry_run(tmp_path, capsys)
    assert code == INCOMPLETE
    assert "values that cannot be believed, null in rows that are kept: open 1, volume 1" in text
    (tmp_path / "SPX.csv").write_text(NAMED + "2018-12-04,2790,2785,2697,2700,1\n")
    assert dry_run(tmp_path, capsys)[0] == INCOMPLETE


def dry_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = cli.main(["import", "--dry-run", str(folder)])
    return code, " ".join(capsys.readouterr().out.split())


def test_the_dry_run_names_both_spellings_and_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "all.txt").write_text(EODDATA + row("BMY.N", 2) + row("BMY.O", 3) + row("BMY.O", 3, "20191126"))
    code, text = dry_run(tmp_path, capsys)
    assert code == INCOMPLETE
    assert "BMY: BMY.O has it, and 1 row of BMY.N in all.txt is set aside" in text
    assert cli.main(["import", "--dry-run", "--json", str(tmp_path)]) == INCOMPLETE
    document = json.loads(capsys.readouterr().out)
    assert [each["subject"] for each in document["notices"] if each["kind"] == "conflict"] == ["BMY"]


def test_the_dry_run_says_what_was_assumed_and_names_the_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "all.txt").write_text(EODDATA + row("AAPL.O", 2) + row("MSFT", 3))
    code, text = dry_run(tmp_path, capsys)
    assert code == INCOMPLETE
    assert "as in AAPL.O; TT_METASTOCK_SUFFIXES names the exchanges" in text
    (tmp_path / "all.txt").write_text(EODDATA + row("AAPL.O", 2) + row("MSFT.O", 3))
    code, text = dry_run(tmp_path, capsys)
    assert code == OK
    assert "every ticker has an exchange behind it (Reuters)" in text
    for setting in ("PERIODS", "VOLUME_MULTIPLIER", "CODE_PAGE"):
        assert f"TT_METASTOCK_{setting}" in text
