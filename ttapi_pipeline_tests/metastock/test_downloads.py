# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Downloads that people really have: one file of each kind, and numbers and dates in every way of writing them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.metastock.asides import EVENT, aside_of
from ttapi_pipeline.metastock.epochs import dates_of_seconds
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline.metastock.number_text import marks_of, numbers_of
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of


class Download(NamedTuple):
    """A file as a vendor writes it: two sessions of AAPL, 2026-11-19 and 2026-11-20."""

    dialect: str
    content: str
    name: str = "AAPL.csv"
    volumes: tuple[float | None, float | None] = (43_210_000.0, 41_210_000.0)


_STOOQ = "2026-11-19,250.1,252.5,249.9,251.3,43210000\r\n2026-11-20,251.1,253.5,250.9,252.3,41210000\r\n"

DOWNLOADS = {
    "stooq": Download("plain", f"Date,Open,High,Low,Close,Volume\r\n{_STOOQ}"),
    "stooq in Polish": Download(
        "stooq Polish", f"Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen\r\n{_STOOQ}", "aapl.us.csv"
    ),
    "stooq, all symbols": Download(
        "C",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\r\n"
        "AAPL.US,D,20261119,000000,250.1,252.5,249.9,251.3,43210000,0\r\n"
        "AAPL.US,D,20261120,000000,251.1,253.5,250.9,252.3,41210000,0\r\n",
        "20261120_d.txt",
    ),
    "Yahoo": Download(
        "Yahoo",
        "Date,Open,High,Low,Close,Adj Close,Volume\n"
        "2026-11-19,250.100006,252.5,249.899994,251.300003,250.9,43210000\n"
        "2026-11-20,251.100006,253.5,250.899994,252.300003,251.9,41210000\n",
    ),
    "yfinance history": Download(
        "yfinance",
        "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n"
        "2026-11-19 00:00:00-05:00,250.1,252.5,249.9,251.3,43210000,0.0,0.0\n"
        "2026-11-20 00:00:00-05:00,251.1,253.5,250.9,252.3,41210000,0.26,0.0\n",
    ),
    "yfinance download": Download(
        "yfinance",
        "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
        "2026-11-19,251.3,252.5,249.9,250.1,43210000\n2026-11-20,252.3,253.5,250.9,251.1,41210000\n",
        "prices.csv",
    ),
    "yfinance, grouped by ticker": Download(
        "yfinance",
        "Ticker,AAPL,AAPL,AAPL,AAPL,AAPL\nPrice,Open,High,Low,Close,Volume\nDate,,,,,\n"
        "2026-11-19,250.1,252.5,249.9,251.3,43210000\n2026-11-20,251.1,253.5,250.9,252.3,41210000\n",
        "prices.csv",
    ),
    "Nasdaq.com": Download(
        "Nasdaq",
        "Date,Close/Last,Volume,Open,High,Low\n"
        "11/20/2026,$252.30,41210000,$251.10,$253.50,$250.90\n11/19/2026,$251.30,43210000,$250.10,$252.50,$249.90\n",
    ),
    "Investing.com": Download(
        "Investing",
        '"Date","Price","Open","High","Low","Vol.","Change %"\n'
        '"11/20/2026","252.30","251.10","253.50","250.90","41.21M","0.40%"\n'
        '"11/19/2026","251.30","250.10","252.50","249.90","43.21M","-0.10%"\n',
    ),
    "MarketWatch": Download(
        "plain",
        "Date,Open,High,Low,Close,Volume\n"
        '11/20/2026,$251.10,$253.50,$250.90,$252.30,"41,210,000"\n'
        '11/19/2026,$250.10,$252.50,$249.90,$251.30,"43,210,000"\n',
    ),
    "Alpha Vantage": Download(
        "Alpha Vantage",
        "timestamp,open,high,low,close,volume\r\n"
        "2026-11-20,251.1000,253.5000,250.9000,252.3000,41210000\r\n"
        "2026-11-19,250.1000,252.5000,249.9000,251.3000,43210000\r\n",
    ),
    "EODData": Download(
        "EODData",
        "Symbol,Date,Open,High,Low,Close,Volume\n"
        "AAPL,19-Nov-2026,250.1,252.5,249.9,251.3,43210000\nAAPL,20-Nov-2026,251.1,253.5,250.9,252.3,41210000\n",
        "NASDAQ.csv",
    ),
    "Finam": Download(
        "K",
        "<TICKER>;<PER>;<DATE>;<TIME>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<VOL>\r\n"
        "AAPL;D;19/11/26;00:00;250.1000000;252.5000000;249.9000000;251.3000000;43210000\r\n"
        "AAPL;D;20/11/26;00:00;251.1000000;253.5000000;250.9000000;252.3000000;41210000\r\n",
    ),
    "Finam, compact dates": Download(
        "K",
        "<TICKER>;<PER>;<DATE>;<TIME>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<VOL>\r\n"
        "AAPL;D;261119;0;250.1;252.5;249.9;251.3;43210000\r\nAAPL;D;261120;0;251.1;253.5;250.9;252.3;41210000\r\n",
    ),
    "Kaggle": Download(
        "Kaggle",
        "Date,Open,High,Low,Close,Volume,OpenInt\r\n"
        "2026-11-19,250.1,252.5,249.9,251.3,43210000,0\r\n2026-11-20,251.1,253.5,250.9,252.3,41210000,0\r\n",
        "aapl.us.txt",
    ),
    "Kaggle, S&P 500": Download(
        "Kaggle 500",
        "date,open,high,low,close,volume,Name\n"
        "2026-11-19,250.1,252.5,249.9,251.3,43210000,AAPL\n2026-11-20,251.1,253.5,250.9,252.3,41210000,AAPL\n",
        "AAPL.csv",
    ),
    "TradingView": Download(
        "TradingView",
        "time,open,high,low,close,Volume\n"
        "2026-11-19,250.1,252.5,249.9,251.3,43210000\n2026-11-20,251.1,253.5,250.9,252.3,41210000\n",
    ),
    "Google Sheets": Download(
        "plain",
        "Date,Open,High,Low,Close,Volume\n"
        "11/19/2026 16:00:00,250.1,252.5,249.9,251.3,43210000\n11/20/2026 16:00:00,251.1,253.5,250.9,252.3,41210000\n",
    ),
    "Ariva": Download(
        "Ariva",
        "Datum;Erster;Hoch;Tief;Schlusskurs;Stücke;Volumen\n"
        "20.11.2026;251,10;253,50;250,90;252,30;41.210.000;1.000.000.000\n"
        "19.11.2026;250,10;252,50;249,90;251,30;43.210.000;1.000.000.000\n",
    ),
    "a German spreadsheet": Download(
        "other",
        "sep=;\nDatum;Eröffnung;Tageshoch;Tagestief;Schluß;Volumen\n"
        "20.11.26;251,10 €;253,50 €;250,90 €;252,30 €;41.210.000\n"
        "19.11.26;250,10 €;252,50 €;249,90 €;251,30 €;43.210.000\n",
    ),
    "a title above the header": Download(
        "plain",
        "AAPL historical prices\nCurrency in USD\n\nDate,Open,High,Low,Close,Volume\n"
        '"Nov 20, 2026",251.1,253.5,250.9,252.3,"41,210,000"\n"Nov 19, 2026",250.1,252.5,249.9,251.3,"43,210,000"\n',
    ),
    "Investing.com in German": Download(
        "Investing",
        '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"\n'
        '"20.11.2026","252,30","251,10","253,50","250,90","41,21M","0,40%"\n'
        '"19.11.2026","251,30","250,10","252,50","249,90","43,21M","-0,10%"\n',
    ),
    "Investing.com in Spanish": Download(
        "Investing",
        '"Fecha","Último","Apertura","Máximo","Mínimo","Vol.","% var."\n'
        '"20.11.2026","252,30","251,10","253,50","250,90","41,21M","0,40%"\n'
        '"19.11.2026","251,30","250,10","252,50","249,90","43,21M","-0,10%"\n',
    ),
    "Barchart": Download(
        "Barchart",
        "Time,Open,High,Low,Latest,Change,%Change,Volume\n"
        "2026-11-20,251.1,253.5,250.9,252.3,1,+0.40%,41210000\n"
        "2026-11-19,250.1,252.5,249.9,251.3,-0.3,-0.10%,43210000\n"
        '"Downloaded from Barchart.com as of 11-28-2026 10:15am CST"\n',
    ),
    "Barchart as it was": Download(
        "Barchart",
        "Time,Open,High,Low,Last,Change,%Chg,Volume,Open Int\n"
        "11/20/2026,251.1,253.5,250.9,252.3,1,+0.40%,41210000,0\n"
        "11/19/2026,250.1,252.5,249.9,251.3,-0.3,-0.10%,43210000,0\n"
        "Downloaded from Barchart.com as of 11-28-2026 10:15am CST\n",
    ),
    "TradingView, seconds and an indicator": Download(
        "TradingView",
        "time,open,high,low,close,Volume,Volume MA\n"
        # 9:30 in New York.
        "1795098600,250.1,252.5,249.9,251.3,43210000,NaN\n1795185000,251.1,253.5,250.9,252.3,41210000,4.2e7\n",
    ),
    "Macrotrends": Download(
        "plain",
        "Macrotrends Data Download\n\nAAPL - Historical Price and Volume Data\n\n"
        "Historical prices are adjusted for both splits and dividends\n\n"
        "Disclaimer and Terms of Use: Historical stock data is provided 'as is', not for trading purposes or advice.\n"
        "MacroTrends LLC expressly disclaims the accuracy, adequacy, or completeness of any data,\n"
        "delays or interruptions in such data, or for any actions taken in reliance thereon.\n"
        "for any damages relating to your use of the data provided.\n\n\ndate,open,high,low,close,volume\n"
        "2026-11-19,250.1,252.5,249.9,251.3,43210000\n2026-11-20,251.1,253.5,250.9,252.3,41210000\n",
    ),
    "the page of Yahoo": Download(
        "Yahoo",
        "Date\tOpen\tHigh\tLow\tClose Close price adjusted for splits.\t"
        "Adj Close Adjusted close price adjusted for splits and dividend and/or capital gain distributions.\tVolume\n"
        "Nov 20, 2026\t251.10\t253.50\t250.90\t252.30\t251.90\t41,210,000\n"
        "Nov 19, 2026\t250.10\t252.50\t249.90\t251.30\t250.90\t43,210,000\n"
        "Nov 10, 2026\t0.26 Dividend\nAug 31, 2020\t4:1 Stock Splits\n",
    ),
    "EODHD": Download(
        "EODHD",
        "Date,Open,High,Low,Close,Adjusted_close,Volume\n"
        "2026-11-19,250.1,252.5,249.9,251.3,250.9,43210000\n2026-11-20,251.1,253.5,250.9,252.3,251.9,41210000\n",
        "AAPL.US.csv",
    ),
    "Quandl": Download(
        "Quandl",
        "Date,Open,High,Low,Close,Volume,Dividend,Split,Adj_Open,Adj_High,Adj_Low,Adj_Close,Adj_Volume\n"
        "2026-11-20,251.1,253.5,250.9,252.3,41210000.0,0.0,1.0,251.1,253.5,250.9,252.3,41210000.0\n"
        "2026-11-19,250.1,252.5,249.9,251.3,43210000.0,0.0,1.0,250.1,252.5,249.9,251.3,43210000.0\n",
        "EOD-AAPL.csv",
    ),
    "MetaTrader": Download(
        "MetaTrader",
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
        "2026.11.19\t250.10\t252.50\t249.90\t251.30\t9000\t43210000\t2\n"
        "2026.11.20\t251.10\t253.50\t250.90\t252.30\t9000\t41210000\t2\n",
    ),
    "NinjaTrader": Download(
        "NinjaTrader",
        "20261119;250.1;252.5;249.9;251.3;43210000\n20261120;251.1;253.5;250.9;252.3;41210000\n",
        "AAPL.Last.txt",
    ),
    "Cboe": Download(
        "plain without volume",
        "DATE,OPEN,HIGH,LOW,CLOSE\n11/19/2026,250.100000,252.500000,249.900000,251.300000\n"
        "11/20/2026,251.100000,253.500000,250.900000,252.300000\n",
        volumes=(None, None),
    ),
    "Dukascopy": Download(
        "Dukascopy",
        "Gmt time,Open,High,Low,Close,Volume\n"
        "19.11.2026 00:00:00.000,250.1,252.5,249.9,251.3,43210000\n"
        "20.11.2026 00:00:00.000,251.1,253.5,250.9,252.3,41210000\n",
    ),
    "a frame of pandas with its row numbers": Download(
        "Yahoo",
        ",Date,Open,High,Low,Close,Adj Close,Volume\n"
        "0,2026-11-19,250.1,252.5,249.9,251.3,250.9,43210000\n1,2026-11-20,251.1,253.5,250.9,252.3,251.9,41210000\n",
    ),
    "Excel in France": Download(
        "other",
        "sep=;\nDate;Ouverture;Plus haut;Plus bas;Clôture;Volume;;\n"
        "19/11/2026;250,10;252,50;249,90;251,30;43 210 000;;\n20/11/2026;251,10;253,50;250,90;252,30;41 210 000;;\n",
    ),
    "a disclaimer below the rows": Download(
        "plain",
        "Date,Open,High,Low,Close,Volume\n"
        "11/19/2026,250.1,252.5,249.9,251.3,43210000\n11/20/2026,251.1,253.5,250.9,252.3,41210000\n\n"
        "Date downloaded 11/28/2026 10:15 AM ET\n\n"
        '"The data in this spreadsheet is provided to you solely for your use, and is not for distribution."\n'
        "Prices are delayed, and may not be accurate.\n",
    ),
    "volumes that are not there": Download(
        "plain",
        "Date,Open,High,Low,Close,Volume\n2026-11-19,250.1,252.5,249.9,251.3,-\n"
        "2026-11-20,251.1,253.5,250.9,252.3,N/A\n",
        volumes=(None, None),
    ),
}


WITH_FOOTER = ("Barchart", "Barchart as it was", "a disclaimer below the rows")
WITH_OTHERS = ("TradingView, seconds and an indicator", "the page of Yahoo")
"""Downloads with something else that is left out and told."""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("download", DOWNLOADS)
def test_a_download_is_read_and_its_dialect_named(download: str, encoding: str) -> None:
    file = DOWNLOADS[download]
    with folder_of({file.name: file.content.encode(encoding)}) as folder:
        result = import_folder(folder)
    bars = check_account(result)
    assert result.rejects.is_empty()
    assert result.files["dialect"].to_list() == [file.dialect]
    assert bars.select("symbol", "session").rows() == [("AAPL", date(2026, 11, 19)), ("AAPL", date(2026, 11, 20))]
    rounded = bars.select(pl.col("open", "high", "low", "close").round(4)).rows()
    assert rounded == [(250.1, 252.5, 249.9, 251.3), (251.1, 253.5, 250.9, 252.3)]
    assert tuple(bars["volume"]) == file.volumes
    left_out = result.notices.filter(kind="left out")["notice"]
    assert any("of text at the end" in each for each in left_out) == (download in WITH_FOOTER)
    assert any("dividend" in each for each in left_out) == (download == "the page of Yahoo")
    assert len(left_out) == (download in {*WITH_FOOTER, *WITH_OTHERS})


def test_text_is_a_footer_at_the_end_alone() -> None:
    rows = [f"2026-11-{day:02},10,11,9,10,100" for day in range(2, 21)]
    files = {
        "A.csv": [*rows, "As of the last trading day", "Prices of Example Inc, delayed by 15 minutes"],
        "B.csv": [*rows[:5], "As of the last trading day", *rows[5:]],
        "C.csv": [*rows, "2026-11-2"],
        "D.csv": [*rows, "Disclaimer"],
        "E.csv": [*rows, *["Nobody is liable for these prices"] * 40],
        "F.csv": [*rows, "20 words and 30 more of them,11,9"],
        "G.csv": ["Nothing was found for this ticker"],
    }
    header = "Date,Open,High,Low,Close,Volume\n"
    with folder_of({name: header + "\n".join(lines) for name, lines in files.items()}) as folder:
        result = import_folder(folder)
    check_account(result)
    counts = dict(result.files.select("file", "rejected").iter_rows())
    assert counts == {"A.csv": 0, "B.csv": 1, "C.csv": 1, "D.csv": 1, "E.csv": 40, "F.csv": 1, "G.csv": 1}
    told = result.notices.filter(pl.col("notice").str.contains("footer"))
    assert told.select("file", "rows").rows() == [("A.csv", 2)]


@pytest.mark.parametrize(
    ("cells", "is_event"),
    [
        (["Nov 10, 2026", "0.26 Dividend", "", "", ""], True),
        (["2020-08-31", "4:1 Stock Splits"], True),
        (["2020-08-31", "", "", "", "Special dividend 1.50"], True),
        (["Jun 9, 2014", "7/1 Stock Split"], True),
        (["2020-08-31", "", "", "", ""], False),
        (["2020-08-31", "splitting hairs", "", "", ""], False),
        (["Dividend", "0.26"], False),
    ],
)
def test_a_dividend_or_a_split_between_bars_is_no_row(cells: list[str], is_event: bool) -> None:
    assert (aside_of(cells, 4) == EVENT) == is_event


def test_seconds_of_trading_view_are_dates_of_new_york() -> None:
    moments = {
        datetime(2026, 1, 5, 14, 30, tzinfo=UTC): "2026-01-05",  # winter: 9:30
        datetime(2026, 7, 6, 13, 30, tzinfo=UTC): "2026-07-06",  # summer: 9:30
        datetime(2026, 7, 8, 0, 30, tzinfo=UTC): "2026-07-07",  # 20:30 of the day before
        datetime(2026, 7, 9, tzinfo=UTC): "2026-07-09",  # midnight: a date and no time
        datetime(1962, 1, 2, 15, tzinfo=UTC): "1962-01-02",  # negative
        datetime(1970, 8, 17, 14, 30, tzinfo=UTC): "1970-08-17",  # eight digits
    }
    texts = pl.Series("date", [str(int(moment.timestamp())) for moment in moments])
    assert [text[:10] for text in dates_of_seconds(texts)] == list(moments.values())
    assert dates_of_seconds(pl.Series("date", ["20260105", "2026-01-06"])).to_list() == ["20260105", "2026-01-06"]
    hours = "".join(f"{1795098600 + 3600 * hour},10,11,9,10,100\n" for hour in range(7))
    with folder_of({"NASDAQ_AAPL, 1D.csv": f"time,open,high,low,close,Volume\n{hours}"}) as folder:
        rejects = import_folder(folder).rejects
    assert rejects.height == 7
    assert rejects["reason"].str.contains("no daily rows").all()


def test_several_tickers_side_by_side_are_refused_with_the_way_out() -> None:
    content = "Price,Close,Close\nTicker,AAPL,MSFT\nDate,,\n2026-11-19,251.3,410.2\n"
    with folder_of({"prices.csv": content}) as folder:
        rejects = import_folder(folder).rejects
    assert rejects["reason"].to_list() == [
        "its header has 2 tickers side by side; write one file per ticker, or one row per ticker and session"
    ]


def test_what_is_no_table_of_prices_is_refused_without_its_text() -> None:
    secrets = {
        ".env.txt": "unused",
        "env.txt": "TOKEN=hunter2\nPASSWORD=hunter2\n",
        "notes.md": "# symbol, hunter2\n",
        "header.csv": "symbol,hunter2,open\nAAPL,1,2\n",
    }
    with folder_of(secrets) as folder:
        rejects = import_folder(folder).rejects
    assert rejects.height == 3
    assert not rejects["reason"].str.contains("hunter2").any()
    assert rejects["reason"].str.contains("Date,Open,High,Low,Close,Volume").all()
    assert rejects["raw"].null_count() == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("46345", "as a spreadsheet counts days"),
        ("1795046400", "number of seconds"),
        ("1970-01-01", "placeholder"),
        ("01/01/1900", "placeholder"),
        ("1899-12-30", "placeholder"),
        ("19040101", "placeholder"),
        ("1980-01-01 00:00:00", "placeholder"),
        ("01-Jan-00", "placeholder"),
        ("0000-00-00", "not a date"),
    ],
)
def test_a_date_that_is_none_is_refused_with_its_reason(text: str, reason: str) -> None:
    with folder_of({"X.csv": f"Date,Close\n{text},10\n2026-11-20,10\n"}) as folder:
        result = import_folder(folder)
    assert check_account(result).height == 1
    assert reason in result.rejects["reason"][0]


@pytest.mark.parametrize("form", ["%Y-%d-%m", "%Y%d%m", "%Y/%d/%m", "%m.%d.%Y", "%m.%d.%y"])
def test_no_date_is_believed_where_those_beside_it_have_day_and_month_exchanged(form: str) -> None:
    days = sessions_between(date(2026, 9, 28), date(2026, 11, 20))
    text = "Date,Close\n" + "".join(f"{day.strftime(form)},{100 + at}\n" for at, day in enumerate(days))
    with folder_of({"AAPL.csv": text}) as folder:
        result = import_folder(folder, today=date(2026, 11, 27))
    assert check_account(result).is_empty()
    assert result.rejects["reason"].str.contains("exchanged|not a date|had not come|cannot be told").all()
    assert result.rejects["reason"].str.contains("write them as 2026-01-31").any()


def test_one_typing_error_costs_its_row_alone() -> None:
    days = sessions_between(date(2026, 9, 28), date(2026, 11, 20))
    texts = [f"{day}" for day in days]
    texts[20] = "2026-26-10"
    text = "Date,Close\n" + "".join(f"{each},{100 + at}\n" for at, each in enumerate(texts))
    with folder_of({"AAPL.csv": text}) as folder:
        result = import_folder(folder, today=date(2026, 11, 27))
    assert check_account(result)["session"].to_list() == [day for at, day in enumerate(days) if at != 20]


class Style(NamedTuple):
    """How somebody writes numbers and dates."""

    delimiter: str
    decimal: str
    thousands: str
    currency: str
    dates: str
    is_quoted: bool


STYLES = st.builds(
    Style,
    delimiter=st.sampled_from([",", ";", "\t"]),
    decimal=st.sampled_from([".", ","]),
    thousands=st.sampled_from(["", "other mark", " ", "\u00a0", "'"]),
    currency=st.sampled_from(["", "$", "€"]),
    dates=st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%Y-%m-%d 00:00:00", "%d-%b-%y"]),
    is_quoted=st.booleans(),
)


@settings(max_examples=examples(150), deadline=None)
@given(
    style=STYLES,
    # In order, since a price that slips and comes back is set aside.
    rows=st.lists(st.tuples(st.integers(100, 10**9), st.integers(0, 10**10)), min_size=1, max_size=12).map(sorted),
)
def test_numbers_are_read_however_they_are_written(style: Style, rows: Sequence[tuple[int, int]]) -> None:
    def written(cents: int, decimals: int) -> str:
        whole, rest = divmod(cents, 10**decimals)
        other = "." if style.decimal == "," else ","
        digits = f"{whole:,}".replace(",", other if style.thousands == "other mark" else style.thousands)
        return digits + (f"{style.decimal}{rest:0{decimals}}" if decimals else "")

    def cell(text: str) -> str:
        return f'"{text}"' if style.is_quoted or style.delimiter in text else text

    lines = [style.delimiter.join(["Date", "Close", "Volume"])]
    days = [date(2026, 1, 1) + timedelta(days=at) for at in range(len(rows))]
    for day, (cents, volume) in zip(days, rows, strict=True):
        price = style.currency + written(cents, 2)
        lines.append(style.delimiter.join(map(cell, (f"{day:{style.dates}}", price, written(volume, 0)))))
    with folder_of({"X.csv": "\n".join(lines)}) as folder:
        bars = check_account(import_folder(folder))
    assert bars["session"].to_list() == days
    assert bars["close"].to_list() == pytest.approx([cents / 100 for cents, _ in rows], rel=1e-12)
    assert bars["volume"].to_list() == pytest.approx([volume for _, volume in rows], rel=1e-12)


@pytest.mark.parametrize(
    ("texts", "delimiter", "numbers"),
    [
        # A mark before exactly three digits may be either; commas alone are decimal where they do not separate values.
        (["250,123"], ";", [250.123]),
        (["250,123"], ",", [250_123.0]),
        (["250,123", "1,234,567"], ";", [250_123.0, 1_234_567.0]),
        (["250.123", "1,5"], ";", [250_123.0, 1.5]),
        # Both marks and no proof, or two proofs against each other: a comma is not taken for anything.
        (["250.123", "1,234"], ";", [250.123, math.nan]),
        (["10.5", "1,5"], ";", [10.5, math.nan]),
        (["0.448", "1,234"], ";", [0.448, 1_234.0]),
        (["1,2345E+07", "410,5"], ";", [12_345_000.0, 410.5]),
        (
            ["1.2E3", "1_0", "1 0", "12 345", "--1", "1.2.3,4"],
            ";",
            [1_200.0, math.nan, math.nan, 12_345.0, *[math.nan] * 2],
        ),
    ],
)
def test_what_a_mark_means_is_proven_by_the_numbers_of_the_file(
    texts: list[str], delimiter: str, numbers: list[float]
) -> None:
    column = pl.Series(texts)
    read = numbers_of(column, decimal=marks_of([column]).decimal(delimiter=delimiter), has_units=False)
    assert read.to_list() == pytest.approx(numbers, nan_ok=True)


def test_units_belong_to_quantities() -> None:
    texts = pl.Series(["1.23M", "12k", "0.5B", "3 M", "M", "1.5", None])
    marks = marks_of([texts]).decimal(delimiter=",")
    quantities = numbers_of(texts, decimal=marks, has_units=True).to_list()
    assert quantities == pytest.approx([1.23e6, 12e3, 0.5e9, 3e6, math.nan, 1.5, None], nan_ok=True)
    assert numbers_of(texts, decimal=marks, has_units=False).is_nan().sum() == 5
