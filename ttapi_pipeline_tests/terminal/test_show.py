# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt show`: one symbol at two widths, and a symbol that is not stored."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from ttapi_pipeline import cli
from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.places import MARKER
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.terminal.show import SymbolView, read_symbol
from ttapi_pipeline_tests.support.documents import ROOT, python_blocks
from ttapi_pipeline_tests.support.rendering import render

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
AS_OF = date(2026, 11, 20)
CONE = {"minimum": 0.1, "p10": 0.2, "p25": 0.3, "median": 0.4, "p75": 0.5, "p90": 0.6, "maximum": 1.0}

VOLATILITY = {
    "as_of_session": AS_OF,
    "session_count": 300,
    "has_more_than_30_sessions": True,
    "close": 1234.5,
    "close_to_close_30": 0.308,
    "close_to_close_30_ex_earnings": 0.214,
    "earnings_sessions_left_out_30": 2,
    "parkinson_30": 0.225,
    "yang_zhang_30": 0.362,
    "historical_volatility_30_day": 0.301,
    "close_to_close_252_reason": "short_history",
    "yang_zhang_252_reason": "short_history",
    "hv_rank": 0.757,
    "implied_volatility_30_day": 0.2735,
    "iv_rv_spread_30": -0.0345,
    "earnings_date": date(2027, 1, 19),
    "earnings_time_of_day": "BTO",
}
SERIES = {
    "settlement_type": "PM",
    "option_chain_type": "Standard",
    "expiration_session": date(2026, 12, 18),
    "expiration_date": date(2026, 12, 18),
    "as_of_session": AS_OF,
    "dte": 28,
    "horizon_sessions": 19,
    "is_settled_at_open": False,
    "is_written_on_future": False,
    "lookback_sessions": 252,
    "close": 1000.0,
    "usual_move": 0.061,
    "usual_move_rel_error": 0.2,
    "forecast_move": 0.0568,
    "forecast_move_rel_error": 0.1,
    "variance_ratio": 0.67,
    "implied_volatility": 0.273,
    "expected_move": 75.6,
    "move_ratio": 1.331,
    "move_ratio_z": 2.86,
    "iv_rv_spread": 0.054,
    "returns_used": 19,
    "returns_lookback_used": 252,
    "horizon_returns_used": 234,
}


def store(folder: Path, dataset: str, rows: list[dict[str, Any]], *, is_simulated: bool = True) -> None:
    frame = pl.DataFrame(rows, schema=DATASETS[dataset].schema.polars)
    provenance = Provenance(dataset=dataset, code_version="1", fetched_at=NOW, is_simulated=is_simulated)
    publish(frame, DATASETS[dataset].schema, folder, provenance)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What four datasets hold of BRK/B, and of an index whose roots are two and whose options say little."""
    data = tmp_path / "data"
    fetched = {"source": "tastytrade", "fetched_at": NOW}
    index = {"symbol": "SPX", "is_index": True, "as_of_session": AS_OF, "session_count": 0}
    doubtful = {
        "has_more_than_30_sessions": False,
        "cautions": "zero_volume missing_sessions",
        "is_far_from_broker": True,
    }
    store(data, "volatility", [{"symbol": "BRK/B", **VOLATILITY}, {**index, **doubtful}])
    metrics = {"symbol": "BRK/B", "description": "Berkshire Hathaway", "is_etf": False, "is_index": False}
    store(data, "symbols", [{**metrics, "implied_volatility_rank": 0.31, **fetched}])
    cone = {"symbol": "BRK/B", "as_of_session": AS_OF, "windows_used": 200}
    no_window = {**cone, "horizon_sessions": 252, "windows_used": 0, "reason": "no_window"}
    today = {"current": 0.45, "current_percentile": 0.61}
    not_today = {**cone, "horizon_sessions": 21, **CONE, "reason": "not_current"}
    store(data, "volatility_cone", [{**cone, "horizon_sessions": 5, **CONE, **today}, not_today, no_window])
    far = {"expiration_date": date(2029, 1, 19), "dte": 791, "usual_move": None}
    ratios = ("variance_ratio", "move_ratio", "move_ratio_z")
    silent = dict.fromkeys(("horizon_sessions", "expected_move", "iv_rv_spread", *ratios))
    reason = {"usual_move_reason": "short_lookback"}
    series: list[dict[str, Any]] = [
        {"symbol": "BRK/B", "root_symbol": "BRKB", **SERIES},
        {"symbol": "BRK/B", "root_symbol": "BRKB", **SERIES, **far, **silent, **reason},
        {"symbol": "BRK/B", "root_symbol": "1BRKB", **SERIES},
    ]
    store(data, "returns_stddev", series)
    return data


def test_a_wide_terminal_shows_everything(folder: Path) -> None:
    text = render(SymbolView(read_symbol(folder, "BRK/B")), width=130)
    lines = text.splitlines()
    assert lines[0] == "BRK/B  Berkshire Hathaway  1,234.50 on 2026-11-20  SIMULATED DATA"
    assert "IV 30 27.4% · HV 30 30.8% · IV−HV −3.5 · IV rank 31% · IV percentile – · HV rank 76%" in text
    assert "HV 30 ex-earnings 21.4%, 2 sessions left out · earnings 2027-01-19 BTO" in " ".join(text.split())
    month = next(line.split() for line in lines if line.lstrip().startswith("30 "))
    assert month == ["30", "30.8%", "–", "22.5%", "–", "–", "36.2%", "30.1%"]
    assert any(line.split()[:1] == ["252"] and "short history" in line for line in lines)
    assert any(line.lstrip().startswith("2026-12-18 BRKB") and "5.7% ± 0.6%" in line for line in lines)
    assert "short lookback" in text
    assert max(len(line) for line in lines) <= 130


def test_a_narrow_terminal_shows_what_matters_most(folder: Path) -> None:
    text = render(SymbolView(read_symbol(folder, "BRK/B")), width=80)
    assert "yang zhang" in text
    assert "parkinson" not in text
    assert "variance" not in text
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("width", range(60, 221, 10))
def test_no_column_is_squeezed_at_any_width(folder: Path, width: int) -> None:
    row = {"symbol": "BRK/B", "root_symbol": "BRKB", **SERIES, "has_earnings_before_expiration": True}
    store(folder, "returns_stddev", [row, {**row, "expiration_date": date(2027, 1, 15)}])
    lines = render(SymbolView(read_symbol(folder, "BRK/B")), width=width).splitlines()
    expirations = [line.split() for line in lines if line.lstrip().startswith(("2026-12-18", "2027-01-15"))]
    assert [cells[-1] for cells in expirations] == ["report", "report"]
    assert max(len(line) for line in lines) <= width
    # All columns, or the most important ones.
    assert ("var. ratio" in " ".join(lines)) == ("dollars" in " ".join(lines)) == (width >= 120)


def test_each_column_of_an_expiration_follows_from_those_before_it(folder: Path) -> None:
    """7.56 of 100 over a forecast of 5.68 is 1.331, and ln 1.331 = 0.286 is 2.86 times its error of 0.1."""
    row = {"symbol": "BRK/B", "root_symbol": "BRKB", **SERIES}
    opening = {**row, "settlement_type": "AM", "has_earnings_before_expiration": True}
    no_price = dict.fromkeys(("implied_volatility", "expected_move", "move_ratio", "move_ratio_z", "iv_rv_spread"))
    reasons = dict.fromkeys(("expected_move_reason", "move_ratio_reason"), "no_implied_volatility")
    unpriced = {**row, **no_price, **reasons, "expiration_date": date(2026, 12, 24), "dte": 34}
    store(folder, "returns_stddev", [row, opening, unpriced])
    text = render(SymbolView(read_symbol(folder, "BRK/B")), width=80)
    table = text[text.index("Moves until each expiration") :]
    assert "ratio is implied / forecast" in table.splitlines()[0]
    cells = [line.split() for line in table.splitlines() if line.lstrip().startswith("2026-12-")]
    figures = ["28", "27.3%", "7.6%", "6.1%", "5.7%", "±", "0.6%", "1.33", "+2.9"]
    assert cells[0] == ["2026-12-18", "AM", *figures, "report"]
    assert "report: earnings come before the expiration" in text
    assert "few: " not in text
    assert cells[1] == ["2026-12-18", "PM", *figures]
    assert cells[2][:10] == ["2026-12-24", "PM", "34", "–", "–", "6.1%", "5.7%", "±", "0.6%", "–"]
    assert table.count("implied") == 3  # the title, the heading, and the reason once
    assert max(len(line) for line in text.splitlines()) <= 80


def test_options_on_an_index_say_what_their_figures_are_and_fit_into_80_columns(folder: Path) -> None:
    index = {"symbol": "SPX", **SERIES, "forecast_move": 0.0088, "forecast_move_rel_error": 0.05}
    weekly = {**index, "root_symbol": "SPXW", "cautions": "few_sessions", "dte": 3, "horizon_sessions": 1}
    monthly = {**index, "root_symbol": "SPX", "settlement_type": "AM", "is_written_on_future": True}
    store(folder, "returns_stddev", [weekly, monthly])
    lines = render(SymbolView(read_symbol(folder, "SPX")), width=80).splitlines()
    rows = [line for line in lines if line.lstrip().startswith("2026-12-18")]
    # The root says the settlement. An error of 0.0% would hide where the z comes from.
    assert [row.split()[1] for row in rows] == ["SPX", "SPXW"]
    assert [row.split()[-1] for row in rows] == ["+2.9", "few"]
    assert all("0.9% ± 0.04%" in row for row in rows)
    assert lines[-2].startswith("few: 1 to 4 sessions")
    assert lines[-1].startswith("The options are on a future")
    assert max(len(line) for line in lines) <= 80


def test_the_first_example_of_readme_prints_columns_that_explain_one_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"symbol": "BRK/B", "root_symbol": "BRKB", **SERIES, "has_earnings_before_expiration": False}
    reported = {**row, "root_symbol": "1BRKB", "has_earnings_before_expiration": True}
    store(folder, "returns_stddev", [row, reported])
    monkeypatch.chdir(folder.parent)
    (folder.parent / MARKER).touch()
    example = python_blocks(ROOT / "README.md")[0]
    with pl.Config(tbl_width_chars=200):
        exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "…" not in printed  # Polars shows eight columns, and hides the middle of a wider table
    (cells,) = [line.strip("│").split("┆") for line in printed.splitlines() if "BRK/B" in line]
    close, dollars, forecast, ratio, error, z = (float(cell) for cell in cells[2:])
    assert dollars / close / forecast == pytest.approx(ratio, rel=1e-3)
    assert math.log(ratio) / error == pytest.approx(z, rel=1e-3)


def test_the_premium_and_our_own_rank_are_said_where_they_are_stored(folder: Path) -> None:
    before = render(SymbolView(read_symbol(folder, "BRK/B")), width=80)
    assert "over realised" not in before
    row = {"symbol": "BRK/B", **VOLATILITY, "iv_rank": 0.3, "iv_values_used": 252, "iv_5_day_change": -0.012}
    store(folder, "volatility", [{**row, "iv_21_day_change": 0.031}])
    scores = {"as_of_session": AS_OF, "spans_used": 4000, "spans_apart": 190, "first_session": date(2010, 1, 4)}
    figures = {"volatility_ratio": 1.18, "volatility_ratio_error": 0.05, "verdict": "overstates", "inside_68": 0.74}
    key = {"symbol": "BRK/B", "tenor_sessions": 21, "method": "iv_30_day", "best_method": "har"}
    store(folder, "variance_premium", [{**key, **scores, **figures}])
    text = render(SymbolView(read_symbol(folder, "BRK/B")), width=80)
    assert "30-day IV over realised: 1.18 ± 0.05, overstates (190 months since 2010-01-04)" in text
    assert "moves inside its 68% band: 74% · best forecast: har" in text
    assert "IV rank 30% (broker 31%)" in " ".join(text.split())
    assert "IV 5 days −1.2, 21 days +3.1" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_strip_draws_the_cone_to_scale(folder: Path) -> None:
    text = render(SymbolView(read_symbol(folder, "BRK/B")), width=130)
    strip = next(line for line in text.splitlines() if "●" in line and line.lstrip().startswith("5 "))
    drawn = strip[strip.index("61%") + 3 :]
    # 56 characters from 0 to 100%: 30% is at 16.8 and 50% at 28, so the middle half takes the places 16 to 28.
    assert drawn.count("●") == 1
    assert drawn.strip().strip("─").strip("░").replace("●", "▒") == "▒" * 13
    assert "no window" in text


def test_what_is_odd_about_a_symbol_is_said(folder: Path) -> None:
    text = render(SymbolView(read_symbol(folder, "SPX")), width=130)
    assert text.startswith("SPX  no close on 2026-11-20  SIMULATED DATA")
    assert "cautions: zero volume, missing sessions" in text
    assert "an index: estimators with a range read low" in text
    assert "more than 3 points away" in text
    assert "No listed expirations." in text


@pytest.mark.parametrize("spelling", ["brk.b", "BRK-B", " brk/b "])
def test_a_symbol_may_be_spelt_in_several_ways(folder: Path, spelling: str) -> None:
    assert read_symbol(folder, spelling).volatility["symbol"] == "BRK/B"


@pytest.mark.parametrize(
    ("symbol", "message"),
    [
        ("SPY", r"'SPY' is not among the 2 symbols of the stored data \(did you mean SPX\?\)"),
        ("a b", "'a b' is not an"),
    ],
)
def test_an_unknown_symbol_is_refused_with_the_ones_near_it(folder: Path, symbol: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_symbol(folder, symbol)


def test_without_stored_data_the_missing_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"volatility is not stored in .* yet; `tt refresh volatility` makes it"):
        read_symbol(tmp_path, "AAPL")


def test_the_command_returns_0_for_a_symbol_and_2_with_one_sentence_for_an_unknown_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / MARKER).touch()
    monkeypatch.setenv("TT_DATA_DIR", str(folder))
    assert cli.main(["show", "brk.b"]) == 0
    assert "Berkshire Hathaway" in capsys.readouterr().out
    assert cli.main(["show", "SPY"]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err == "error: 'SPY' is not among the 2 symbols of the stored data (did you mean SPX?)\n"


def test_with_plot_each_chart_of_the_symbol_is_a_light_and_a_dark_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / MARKER).touch()
    monkeypatch.setenv("TT_DATA_DIR", str(folder))
    days = [date(2024 + place // 12, place % 12 + 1, 15) for place in range(30)]
    scored = {"root_symbol": "BRKB", "settlement_type": "PM", "tenor_sessions": 21, "method": "iv_30_day", "dte": 30}
    outcome = {"expected_stddev": 0.06, "realised_return": 0.02, "realised_stddev": 0.05, "horizon_sessions": 21}
    rows = [
        {"symbol": "BRK/B", **scored, **outcome, "source": "backfilled", "expiration_date": day, "frozen_session": day}
        for day in days
    ]
    store(folder, "expectations", rows)
    assert cli.main(["show", "BRK/B", "--plot"]) == 0
    said = capsys.readouterr().out
    names = ("moves", "volatility_cone", "implied_volatility", "variance_premium", "forecast_calibration")
    for name in names:
        light, dark = (Image.open(folder / "plots" / "BRK_B" / f"{name}{end}.png") for end in ("", "_dark"))
        assert f"{name}_dark.png" in said
        assert light.size == dark.size
        # The paper, which is in every corner, is light in the one and dark in the other.
        assert int(np.asarray(light.convert("L"))[0, 0]) > 200
        assert int(np.asarray(dark.convert("L"))[0, 0]) < 60
