# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Names of files without a ticker column: each is a ticker by a rule that is told, or is set aside with the way out.

What the headers and rows of the same downloads are read as: see `test_downloads`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.metastock.importer import FolderImport, import_folder
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline.metastock.preview import preview_folder
from ttapi_pipeline.metastock.symbol_map import read_symbol_map
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of

ROWS = "2026-11-19,250.1,252.5,249.9,251.3,43210000\n2026-11-20,251.1,253.5,250.9,252.3,41210000\n"
PLAIN = f"Date,Open,High,Low,Close,Volume\n{ROWS}"
TRADING_VIEW = f"time,open,high,low,close,Volume\n{ROWS}"
ALPHA_VANTAGE = f"timestamp,open,high,low,close,volume\n{ROWS}"
ADJUSTED = (
    "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
    "2026-11-20,251.1,253.5,250.9,252.3,252.3,41210000,0.0000,1.0\n"
)
YAHOO = (
    "Date,Open,High,Low,Close,Adj Close,Volume\n"
    "2026-11-19,250.1,252.5,249.9,251.3,250.9,43210000\n2026-11-20,251.1,253.5,250.9,252.3,251.9,41210000\n"
)
INVESTING = (
    '"Date","Price","Open","High","Low","Vol.","Change %"\n'
    '"11/20/2026","252.30","251.10","253.50","250.90","41.21M","0.40%"\n'
    '"11/19/2026","251.30","250.10","252.50","249.90","43.21M","-0.10%"\n'
)
CBOE = "DATE,OPEN,HIGH,LOW,CLOSE\n11/19/2026,250.1,252.5,249.9,251.3\n11/20/2026,251.1,253.5,250.9,252.3\n"
BARCHART = (
    "Time,Open,High,Low,Latest,Change,%Change,Volume\n2026-11-20,251.1,253.5,250.9,252.3,1,0.4%,41210000\n"
    "2026-11-19,250.1,252.5,249.9,251.3,1,0.4%,43210000\n"
    '"Downloaded from Barchart.com as of 11-28-2026 10:15am CST"\n'
)
NASDAQ = (
    "Date,Close/Last,Volume,Open,High,Low\n"
    "11/20/2026,$252.30,41210000,$251.10,$253.50,$250.90\n11/19/2026,$251.30,43210000,$250.10,$252.50,$249.90\n"
)
QUANDL = (
    "Date,Open,High,Low,Close,Volume,Ex-Dividend,Split Ratio,Adj. Open,Adj. High,Adj. Low,Adj. Close,Adj. Volume\n"
    "2018-03-26,168.07,173.1,166.44,172.77,36272617.0,0.0,1.0,168.07,173.1,166.44,172.77,36272617.0\n"
)
NINJA_TRADER = "20261119;250.1;252.5;249.9;251.3;43210000\n20261120;251.1;253.5;250.9;252.3;41210000\n"
META_TRADER = (
    "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
    "2026.11.19\t250.10\t252.50\t249.90\t251.30\t9000\t43210000\t2\n"
)

READ: Mapping[str, tuple[str, str]] = {
    "AAA Historical Data.csv": (INVESTING, "AAA"),
    "BRK.B Historical Data (1).csv": (INVESTING, "BRK/B"),
    "NASDAQ_AAB, 1D.csv": (TRADING_VIEW, "AAB"),
    "BATS_AAC, 1D_0f3ab.csv": (TRADING_VIEW, "AAC"),
    "NYSE_DLY_BF.B, 1D (2).csv": (TRADING_VIEW, "BF/B"),
    "SP_SPX, 1D.csv": (TRADING_VIEW.replace(",Volume", ""), "SPX"),
    "daily_AAD.csv": (ALPHA_VANTAGE, "AAD"),
    "daily_adjusted_AAE.csv": (ADJUSTED, "AAE"),
    "Download Data - STOCK_US_XNAS_AAF.csv": (PLAIN, "AAF"),
    "Download Data - FUND_US_ARCX_SPY (1).csv": (PLAIN, "SPY"),
    "Download Data - INDEX_US_CBSX_VIX.csv": (PLAIN, "VIX"),
    "VIX9D_History.csv": (CBOE, "VIX9D"),
    "aag_daily_historical-data-11-28-2026.csv": (BARCHART, "AAG"),
    "aah_price-history-11-28-2026.csv": (BARCHART, "AAH"),
    "$rut_daily_historical-data-11-28-2026.csv": (BARCHART, "RUT"),
    "MacroTrends_Data_Download_AAI.csv": (f"Macrotrends Data Download\n\nAAI - Prices\n\n\n{PLAIN}", "AAI"),
    "WIKI-AAJ.csv": (QUANDL, "AAJ"),
    "WIKI-HEI_A.csv": (QUANDL, "HEI/A"),
    "AAK.Last.txt": (NINJA_TRADER, "AAK"),
    "AAL_Daily_202611190000_202611200000.csv": (META_TRADER, "AAL"),
    "aam_us_d.csv": (PLAIN, "AAM"),
    "^ndx_d.csv": (PLAIN, "NDX"),
    "BAC-PL.csv": (YAHOO, "BAC/PRL"),
    "AAN (3).csv": (YAHOO, "AAN"),
}
"""Names by which a site's download is known below its header, and the symbol."""

SET_ASIDE: Mapping[str, str] = {
    "HistoricalData_1700000000000.csv": NASDAQ,
    "HistoricalQuotes.csv": NASDAQ,
    "HistoricalPrices.csv": PLAIN,
    "prices.csv": PLAIN,
    "data.csv": PLAIN,
    "all.csv": YAHOO,
    "Open.csv": PLAIN,
    "table (1).csv": YAHOO,
    "sheet1.csv": PLAIN,
    "1.csv": PLAIN,
    "2024.csv": PLAIN,
    "AAPL_1d.csv": PLAIN,
    "AAPL_data.csv": PLAIN,
    "AAPL_2000-01-01_2024.csv": PLAIN,
    "AAPL-daily.csv": PLAIN,
    "AAPL.adjusted.csv": PLAIN,
    "AAPL.csv.csv": PLAIN,
    "LEH-200809.csv": PLAIN,
    "AAPL-USD.csv": YAHOO,
    "SHOP.TO.csv": YAHOO,
    "0700.HK.csv": YAHOO,
    "mc.fr.csv": PLAIN,
    "ES=F.csv": YAHOO,
    "EURUSD1440.csv": PLAIN,
    "Copy of AAPL.csv": PLAIN,
    "AAPL, new.csv": PLAIN,
    # A site's header and another one's name, or a name that is not that of a stock of the US.
    "daily_MSFT.csv": PLAIN,
    "NASDAQ_MSFT, 1D.csv": PLAIN,
    "MSFT Historical Data.csv": PLAIN,
    "VIX_History.csv": PLAIN,
    "AAPL.Last.csv": PLAIN,
    "COMP_History.csv": CBOE,
    "TSX_RY, 1D.csv": TRADING_VIEW,
    "TVC_GOLD, 1D.csv": TRADING_VIEW,
    "CME_MINI_ES1!, 1D.csv": TRADING_VIEW,
    "S&P 500 Historical Data.csv": INVESTING,
    "Nike Historical Data.csv": INVESTING,
    "DAX Historical Data.csv": INVESTING,
    "daily_TSCO.LON.csv": ALPHA_VANTAGE,
    "Download Data - STOCK_DE_XETR_SAP.csv": PLAIN,
    "Download Data - INDEX_US_XNAS_COMP.csv": PLAIN,
    "Download Data - FUTURE_US_CME_ES00.csv": PLAIN,
    "esu26_daily_historical-data-11-28-2026.csv": BARCHART,
    "jaou6_10000c_price-history-11-28-2026.csv": BARCHART,
}
"""Names that say no ticker, or none that can be trusted."""

NOT_DAILY: Mapping[str, str] = {
    "BATS_AAPL, 1W.csv": TRADING_VIEW,
    "BATS_AAPL, 60.csv": TRADING_VIEW,
    "weekly_AAPL.csv": ALPHA_VANTAGE,
    "intraday_5min_AAPL.csv": ALPHA_VANTAGE,
    "aapl_weekly_historical-data-11-28-2026.csv": BARCHART,
    "aapl_us_m.csv": PLAIN,
}


def test_the_name_of_a_download_is_read_by_the_rule_of_its_site_and_told() -> None:
    with folder_of({name: content for name, (content, _) in READ.items()}) as folder:
        result = import_folder(folder, today=date(2026, 11, 28))
    bars = check_account(result)
    assert result.rejects.is_empty()
    assert set(bars["symbol"]) == {symbol for _, symbol in READ.values()}
    read = result.notices.filter(pl.col("notice").str.contains("assumed since"))
    # A rule is told once per dialect, with one of its files.
    told = dict(read.select("file", "notice").iter_rows())
    for site in ("Investing.com", "TradingView", "Alpha Vantage", "MarketWatch", "Cboe", "Barchart", "stooq", "Yahoo"):
        assert any(f"assumed since {site} names its downloads so" in notice for notice in told.values())
    for name, notice in told.items():
        assert notice.startswith(f"{name} is {READ[name][1]}")
    assert result.notices.filter(pl.col("kind").is_in(["warning", "conflict"])).is_empty()


def test_any_other_name_is_set_aside_and_the_line_that_it_asks_for_reads_it(tmp_path: Path) -> None:
    with folder_of(SET_ASIDE) as folder:
        result = import_folder(folder, today=date(2026, 11, 28))
        assert check_account(result).is_empty()
        assert sorted(result.rejects["file"]) == sorted(SET_ASIDE)
        lines: list[str] = []
        for name, reason in result.rejects.select("file", "reason").iter_rows():
            stem = name.rpartition(".")[0]
            assert repr(stem.removesuffix(" (1)")) in reason
            line = reason.partition("write the line ")[2].partition(
                " with its symbol into the file of TT_METASTOCK_SYMBOL_MAP"
            )
            assert line[1]
            assert next(csv.reader(io.StringIO(line[0]))) == [stem, "SYMBOL"]
            lines.append(line[0].removesuffix("SYMBOL") + f"S{len(lines)}")
        (tmp_path / "map.csv").write_text("source,symbol\n" + "\n".join(lines) + "\n")
        mapped = import_folder(folder, symbol_map=read_symbol_map(tmp_path / "map.csv"), today=date(2026, 11, 28))
    assert set(check_account(mapped)["symbol"]) == {f"S{number}" for number in range(len(SET_ASIDE))}
    assert mapped.rejects.is_empty()


def test_a_name_that_says_of_longer_or_shorter_bars_is_believed() -> None:
    with folder_of(NOT_DAILY) as folder:
        result = import_folder(folder)
    assert check_account(result).is_empty()
    assert result.rejects["reason"].str.contains("its bars are not daily").all()
    assert sorted(result.rejects["file"]) == sorted(NOT_DAILY)


def test_a_word_is_a_ticker_beside_other_tickers_in_small_letters_and_in_capitals() -> None:
    beside = {f"{name}.csv": PLAIN for name in ("aapl", "msft", "ge", "all", "open")}
    assert symbols_of(beside) == {"AAPL", "MSFT", "GE", "ALL", "OPEN"}
    assert symbols_of({"ALL.csv": PLAIN, "aapl.csv": PLAIN, "open.csv": PLAIN}) == {"ALL", "AAPL"}


def symbols_of(contents: Mapping[str, str]) -> set[str]:
    with folder_of(contents) as folder:
        return set(check_account(import_folder(folder))["symbol"])


def test_a_country_that_nothing_proves_is_no_share_class_of_a_file() -> None:
    with folder_of({"aapl.us.csv": PLAIN, "MSFT.csv": PLAIN, "BRK.B.csv": PLAIN}) as folder:
        result = import_folder(folder)
        stripped = import_folder(folder, options=ImportOptions(exchange_suffixes=frozenset({"US"})))
    assert set(check_account(result)["symbol"]) == {"MSFT", "BRK/B"}
    assert "TT_METASTOCK_SUFFIXES" in result.rejects["reason"][0]
    assert set(check_account(stripped)["symbol"]) == {"AAPL", "MSFT", "BRK/B"}


SPELLINGS = {
    "AAPL.csv": YAHOO,
    "AAPL (1).csv": YAHOO,
    "AAPL Historical Data.csv": INVESTING,
    "AAPL Historical Data (1).csv": INVESTING,
    "NASDAQ_AAPL, 1D.csv": TRADING_VIEW,
    "BATS_AAPL, 1D.csv": TRADING_VIEW,
    "daily_AAPL.csv": ALPHA_VANTAGE,
    "Download Data - STOCK_US_XNAS_AAPL.csv": PLAIN,
    "aapl_daily_historical-data-11-28-2026.csv": BARCHART,
    "aapl_us_d.csv": PLAIN,
    "AAPL.Last.txt": NINJA_TRADER,
}


@settings(max_examples=examples(6), deadline=None)
@given(names=st.lists(st.sampled_from(sorted(SPELLINGS)), min_size=2, max_size=4, unique=True))
def test_two_names_of_one_symbol_are_never_merged(names: list[str]) -> None:
    with folder_of({name: SPELLINGS[name] for name in names}) as folder:
        result = import_folder(folder)
        stems = [name.rpartition(".")[0] for name in names]
        joined = import_folder(folder, symbol_map=dict.fromkeys(stems, "AAPL"))
    assert check_account(result).height == 2
    kept = result.files.filter(pl.col("rows_kept") > 0)["file"].to_list()
    assert kept == (["AAPL.csv"] if "AAPL.csv" in names else kept[:1])
    assert sorted(result.rejects["file"]) == sorted(set(names) - set(kept))
    conflicts = result.notices.filter(kind="conflict")
    assert sorted(conflicts["file"]) == sorted(result.rejects["file"])
    assert all(kept[0].rpartition(".")[0] in notice for notice in conflicts["notice"])
    assert joined.rejects.is_empty()


def test_symbols_that_the_broker_is_not_asked_about_are_named() -> None:
    with folder_of({"AAPL.csv": PLAIN, "Apple.csv": PLAIN, "FOO.csv": PLAIN}) as folder:
        preview = preview_folder(folder, universe=frozenset({"AAPL", "MSFT"}))
        assert (
            preview_folder(folder, universe=frozenset({"AAPL", "APPLE", "FOO"}))
            .notices["notice"]
            .str.contains("universe")
            .sum()
            == 0
        )
    told = preview.notices.filter(pl.col("notice").str.contains("not in the universe"))
    assert told["kind"].to_list() == ["assumption"]
    assert "2 symbols of the files are not in the universe" in told["notice"][0]
    assert "APPLE of Apple.csv, FOO of FOO.csv" in told["notice"][0]


def test_the_cache_keeps_what_names_say_apart_from_the_files(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    (folder / "NASDAQ_AAPL, 1D.csv").write_text(TRADING_VIEW)

    def imported() -> FolderImport:
        return import_folder(folder, cache=cache)

    assert set(check_account(imported())["symbol"]) == {"AAPL"}
    (folder / "AAPL.csv").write_text(YAHOO)
    both = imported()
    assert both.files_read == 1
    assert both.rejects["file"].to_list() == ["NASDAQ_AAPL, 1D.csv"]
    (folder / "AAPL.csv").unlink()
    assert imported().rejects.is_empty()
