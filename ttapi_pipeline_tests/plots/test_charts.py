# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Charts: what their pictures say, and that nothing to show is a picture too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.plots import canvas as style
from ttapi_pipeline.plots.charts import cone_chart, coverage_chart, moves_chart, ranking_chart
from ttapi_pipeline.plots.files import put_chart

Table = Callable[[str, Sequence[Mapping[str, object]]], pl.DataFrame]
QUANTILES = {"minimum": 0.1, "p10": 0.15, "p25": 0.2, "median": 0.25, "p75": 0.3, "p90": 0.35, "maximum": 0.6}


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are turned into pictures, in order."""
    drawn: list[Figure] = []
    to_png = style.to_png

    def keep(figure: Figure) -> bytes:
        drawn.append(figure)
        return to_png(figure)

    monkeypatch.setattr("ttapi_pipeline.plots.charts.to_png", keep)
    return drawn


def words(figure: Figure) -> list[str]:
    """Every text of a figure."""
    axes = figure.axes[0]
    texts = [*figure.texts, *axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label]
    return [text.get_text() for text in texts]


@pytest.fixture
def cone(table: Table) -> pl.DataFrame:
    horizons = [(5, 0.28, 0.61), (21, 0.22, 0.23), (252, None, None)]
    return table(
        "volatility_cone",
        [
            {"symbol": "NVDA", "horizon_sessions": h, "current": now, "current_percentile": share, **QUANTILES}
            for h, now, share in horizons
        ],
    )


def series(table: Table, **values: object) -> pl.DataFrame:
    row = {"symbol": "NVDA", "root_symbol": "NVDA", "settlement_type": "PM", "close": 100.0, **values}
    return table(
        "returns_stddev",
        [
            {
                **row,
                "dte": dte,
                "expected_move": 2.0 * dte**0.5,
                "usual_move": 0.012 * dte**0.5 if dte < 20 else None,
                "forecast_move": 0.01 * dte**0.5 if dte < 100 else None,
                "forecast_move_rel_error": 0.2,
                "move_ratio": 2.0 if dte < 100 else None,
            }
            for dte in (0, 7, 8, 30, 365)
        ],
    )


def universe(table: Table, count: int) -> pl.DataFrame:
    return table(
        "volatility",
        [
            {
                "symbol": f"S{number:02d}",
                "implied_volatility_30_day": 0.3,
                "close_to_close_30": 0.3 - (number - count / 2) / 100,
                "iv_rv_spread_30": (number - count / 2) / 100,
            }
            for number in range(count)
        ],
    )


def test_the_cone_says_where_today_stands(cone: pl.DataFrame, figures: list[Figure]) -> None:
    cone_chart(cone, symbol="NVDA", is_simulated=False)
    said = words(figures[0])
    assert "NVDA: volatility cone" in said
    assert {"5\n28.0%\nabove 61%", "21\n22.0%\nabove 23%", "252\nnone\ntoday"} <= set(said)


def test_moves_compare_what_is_implied_with_the_forecast_of_the_ratio(table: Table, figures: list[Figure]) -> None:
    moves_chart(series(table), symbol="NVDA", is_simulated=False)
    axes = figures[0].axes[0]
    usual, forecast, implied = axes.get_lines()
    assert [line.get_label() for line in (usual, forecast, implied)] == ["usual", "forecast", "implied by options"]
    assert np.asarray(implied.get_xdata()).tolist() == [7, 8, 30, 365]
    assert np.asarray(implied.get_ydata()).tolist() == pytest.approx([0.02 * dte**0.5 for dte in (7, 8, 30, 365)])
    assert np.asarray(usual.get_xdata()).tolist() == [7, 8]
    assert np.asarray(forecast.get_xdata()).tolist() == [7, 8, 30]
    drawn = zip(np.asarray(implied.get_ydata()), np.asarray(forecast.get_ydata()), strict=False)
    assert [each / own for each, own in drawn] == pytest.approx([2.0, 2.0, 2.0])
    assert any("implied over forecast" in word for word in words(figures[0]))
    # The label of 8 days would cover that of 7.
    assert [text.get_text() for text in axes.texts] == ["2.00×", "2.00×"]


def test_the_ranking_shows_both_ends_of_the_universe_with_the_dearest_on_top(
    table: Table, figures: list[Figure]
) -> None:
    ranking_chart(universe(table, 40), is_simulated=False)
    axes = figures[0].axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"S{number:02d}" for number in (*range(14), *range(26, 40))]
    assert [axes.texts[0].get_text(), axes.texts[-1].get_text()] == ["−20.0", "+19.0"]
    assert any("of 40 symbols" in text and "−0.5" in text for text in words(figures[0]))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_small_universe_is_ranked_without_repetition(table: Table, figures: list[Figure], count: int) -> None:
    ranking_chart(universe(table, count), is_simulated=False)
    labels = [label.get_text() for label in figures[0].axes[0].get_yticklabels()]
    assert len(labels) == len(set(labels)) == count


def test_coverage_adds_up_the_sources(figures: list[Figure]) -> None:
    days = [date(2026, 1, 5) + timedelta(day) for day in range(3)]
    counts = pl.DataFrame(
        {"session": [*days, days[2]], "source": ["metastock"] * 3 + ["dxlink"], "symbols": [3, 4, 4, 2]}
    )
    coverage_chart(counts, is_simulated=False)
    assert any("6 symbols on 2026-01-07" in text for text in words(figures[0]))


def draw_all(cone: pl.DataFrame, table: Table, *, is_simulated: bool) -> list[bytes]:
    counts = pl.DataFrame({"session": [date(2026, 1, 5)], "source": ["dxlink"], "symbols": [3]})
    return [
        cone_chart(cone, symbol="NVDA", is_simulated=is_simulated),
        moves_chart(series(table), symbol="NVDA", is_simulated=is_simulated),
        ranking_chart(universe(table, 4), is_simulated=is_simulated),
        coverage_chart(counts, is_simulated=is_simulated),
    ]


def test_every_chart_says_that_its_data_is_simulated_and_only_then(
    cone: pl.DataFrame, table: Table, figures: list[Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same pictures are made below; here their words alone matter.
    monkeypatch.setattr("ttapi_pipeline.plots.charts.to_png", figures.append)
    draw_all(cone, table, is_simulated=True)
    assert ["SIMULATED DATA" in words(figure) for figure in figures] == [True] * 4
    figures.clear()
    draw_all(cone, table, is_simulated=False)
    assert ["SIMULATED DATA" in words(figure) for figure in figures] == [False] * 4


def test_every_picture_is_small_opaque_and_light_at_its_edges(cone: pl.DataFrame, table: Table) -> None:
    paper = tuple(round(255 * part) for part in to_rgb(style.PAPER))
    for png in draw_all(cone, table, is_simulated=True):
        image = Image.open(BytesIO(png))
        assert image.format == "PNG"
        # The window in which the web UI shows it has room for 1,000.
        assert image.width == 972
        assert len(png) < 60_000
        rgba = np.asarray(image.convert("RGBA"))
        assert (rgba[..., 3] == 255).all()
        assert np.abs(rgba[0, 0, :3].astype(int) - paper).max() <= 4


def test_nothing_to_show_is_said_in_the_picture(table: Table, figures: list[Figure]) -> None:
    cone_chart(table("volatility_cone", []), symbol="NVDA", is_simulated=False)
    moves_chart(table("returns_stddev", []), symbol="NVDA", is_simulated=False)
    ranking_chart(table("volatility", []), is_simulated=False)
    coverage_chart(
        pl.DataFrame(schema={"session": pl.Date, "source": pl.String, "symbols": pl.UInt32}), is_simulated=False
    )
    said = [figure.axes[0].texts[0].get_text() for figure in figures]
    assert said == [
        "NVDA has no full window yet.",
        "NVDA has no expiration with a move to show.",
        "No symbol has both an implied and a realised volatility.",
        "There are no bars.",
    ]


def test_matplotlib_is_imported_for_a_chart_alone() -> None:
    program = "import sys, ttapi_pipeline.plots.charts; sys.exit('matplotlib' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_chart_replaces_charts_of_ours_and_no_other_picture(tmp_path: Path, cone: pl.DataFrame) -> None:
    target, chart = tmp_path / "cone.png", cone_chart(cone, symbol="NVDA", is_simulated=True)
    put_chart(target, chart)
    put_chart(target, style.darkened(chart))
    assert target.read_bytes() == style.darkened(chart)
    # Earlier versions wrote the same picture without a word about the program.
    earlier, photo = BytesIO(), BytesIO()
    Image.open(BytesIO(chart)).save(earlier, format="PNG")
    assert b"ttapi_pipeline" not in earlier.getvalue()
    target.write_bytes(earlier.getvalue())
    put_chart(target, chart)
    Image.new("RGB", (972, 540), "white").save(photo, format="PNG")
    for theirs in (photo.getvalue(), b"", b"PNG"):
        target.write_bytes(theirs)
        with pytest.raises(StorageError, match=r"cone\.png is not a chart of this program, and is left as it is"):
            put_chart(target, chart)
        assert target.read_bytes() == theirs
