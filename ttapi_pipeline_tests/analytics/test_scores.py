# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Scores by hand, errors against simulation, and what a fair or an overstated implied volatility is called."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from ttapi_pipeline.analytics.forecasts import History, expected_variances, realised
from ttapi_pipeline.analytics.kernels import Floats
from ttapi_pipeline.analytics.premium import score_tenor
from ttapi_pipeline.analytics.scores import (
    is_inside,
    log_scores,
    overlapping_means,
    overstatement,
    qlikes,
    student_quantile,
)
from ttapi_pipeline.analytics.tenors import BANDS


def one(*values: float) -> Floats:
    return np.array(values)


def test_scores_by_hand() -> None:
    # QLIKE of 2 and 1/2: 2 - ln 2 - 1 and 1/2 + ln 2 - 1; of a perfect forecast 0.
    assert qlikes(one(0.02, 0.005, 0.01), np.full(3, 0.01)).tolist() == pytest.approx([0.3068528194, 0.1931471806, 0.0])
    # The density of a normal distribution with deviation 0.1 at its own deviation: 0.2419707245 / 0.1.
    assert log_scores(one(0.1), one(0.01))[0] == pytest.approx(math.log(2.419707245))
    assert {percent: round(width, 4) for percent, width in BANDS.items()} == {68: 0.9945, 90: 1.6449, 95: 1.96}
    assert [bool(is_inside(one(-0.17), one(0.01), percent)[0]) for percent in BANDS] == [False, False, True]
    assert not is_inside(one(math.nan), one(0.01), 95)[0]


@pytest.mark.parametrize("freedom", [4, 5, 9, 23, 64])
@pytest.mark.parametrize("probability", [0.975, 0.995])
def test_the_quantiles_are_those_of_students_t(freedom: int, probability: float) -> None:
    assert student_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), abs=1e-4)


def test_the_error_is_that_of_cosine_transforms_written_out() -> None:
    series = np.random.default_rng(3).normal(size=(2, 1000)).cumsum(axis=1)
    found = overlapping_means(series, 21)
    n, h, freedom = 1000, 21, 23  # 1000 // 42
    squares = []
    for j in range(1, freedom + 1):
        transform = math.sqrt(2 / n) * series @ np.cos(math.pi * j * (np.arange(n) + 0.5) / n)
        w = math.pi * j / n
        squares.append(transform**2 / (math.sin(h * w / 2) / (h * math.sin(w / 2))) ** 2)
    np.testing.assert_allclose(found.errors, np.sqrt(np.mean(squares, axis=0) / n), rtol=1e-10)
    assert found.freedom == freedom
    assert np.isnan(overlapping_means(series[:, :100], 21).errors).all()


@pytest.mark.parametrize("overlap", [5, 63])
def test_the_error_of_a_mean_over_overlapping_spans_is_its_deviation_in_simulations(overlap: int) -> None:
    draws = np.random.default_rng(overlap).standard_normal((400, 3000 + overlap)) ** 2
    total = np.cumsum(draws, axis=1)
    spans = (total[:, overlap:] - total[:, :-overlap]) / overlap
    found = overlapping_means(spans, overlap)
    assert np.sqrt(np.mean(found.errors**2)) == pytest.approx(found.means.std(ddof=1), rel=0.1)


def test_the_bands_hold_as_many_of_ten_thousand_expirations_as_they_say() -> None:
    """Of fairly priced options: 10,000 spans of five sessions, end to end."""
    rng, tenor, daily = np.random.default_rng(20), 5, 0.013
    count = 10_000 * tenor + 1
    close = 100 * np.exp(np.cumsum(rng.normal(0, daily, count)))
    # On days that are a year apart, the annual implied volatility is that of a session.
    history = History(np.tile(close, (4, 1)), np.full(count, daily), 365 * np.arange(count + tenor, dtype=np.int64))
    expected, (returns, _) = expected_variances(history, tenor)["iv_30_day"], realised(history, tenor)
    apart = slice(0, count - tenor, tenor)
    assert len(returns[apart]) == 10_000
    shares = {percent: is_inside(returns[apart], expected[apart], percent).mean() for percent in BANDS}
    assert shares == {
        68: pytest.approx(0.68, abs=0.01),
        90: pytest.approx(0.9, abs=0.01),
        95: pytest.approx(0.95, abs=0.01),
    }


def verdicts(
    trials: int, *, scale: float, tenor: int, sessions: int = 4000, seed: int = 5, tails: int = 0
) -> list[str]:
    """What sixteen years of an implied volatility that is `scale` times the true one are called."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(trials):
        if tails:
            squares = rng.standard_t(tails, sessions + tenor) ** 2 * (tails - 2) / tails
        else:
            squares = rng.standard_normal(sessions + tenor) ** 2
        total = np.concatenate([[0.0], np.cumsum(squares)])
        ratios = (total[tenor:] - total[:-tenor]) / tenor / scale**2
        means = overlapping_means(ratios[np.newaxis], tenor)
        found.append(str(overstatement(float(means.means[0]), float(means.errors[0]), means.freedom).verdict))
    return found


@pytest.mark.parametrize("tenor", [5, 21, 63])
def test_an_implied_volatility_of_12_tenths_is_found_and_a_fair_one_left_alone(tenor: int) -> None:
    assert verdicts(60, scale=1.2, tenor=tenor).count("overstates") == 60
    assert verdicts(60, scale=1 / 1.2, tenor=tenor).count("understates") == 60
    assert verdicts(200, scale=1.0, tenor=tenor).count("fair") >= 190


@pytest.mark.soak
@pytest.mark.parametrize(("tenor", "tails"), [(5, 0), (21, 0), (63, 0), (126, 0), (21, 5)])
def test_power_and_false_alarms_at_full_size(tenor: int, tails: int) -> None:
    assert verdicts(2000, scale=1.2, tenor=tenor, tails=tails).count("overstates") >= 0.99 * 2000
    assert verdicts(5000, scale=1.0, tenor=tenor, tails=tails).count("fair") >= 0.95 * 5000


def test_an_overstatement_by_hand() -> None:
    found = overstatement(1 / 1.44, 0.05, 30)
    # The ratio is 1.2, its relative error half of 0.05 x 1.44.
    assert [found.ratio, found.error, found.t] == pytest.approx([1.2, 1.2 * 0.036, math.log(1.2) / 0.036])
    assert found.verdict == "overstates"
    assert overstatement(math.nan, math.nan, 0).verdict is None
    assert overstatement(1.1, math.nan, 3).verdict is None


def vix() -> pl.DataFrame:
    spec = find_spec("arch")
    assert spec is not None
    assert spec.origin is not None
    text = gzip.decompress((Path(spec.origin).parent / "data/vix/vix.csv.gz").read_bytes())
    return pl.read_csv(text).select(
        session=pl.col("Date").str.to_date("%m/%d/%Y"), implied=pl.col("vix").cast(pl.Float64, strict=False) / 100
    )


def test_the_premium_of_the_vix_over_the_s_and_p_500_is_that_of_numpy(
    real_bars: Callable[[str], pl.LazyFrame],
) -> None:
    bars = real_bars("SPX").join(vix().lazy(), on="session", how="left").sort("session").collect()
    days = bars["session"].to_physical().to_numpy().astype(np.int64)
    history = History(
        bars.select("open", "high", "low", "close").to_numpy().T.copy(),
        bars["implied"].fill_null(math.nan).to_numpy(),
        days,
    )
    found = score_tenor(history, 21)
    # Independently: every session with a VIX, 21 sessions ahead, prices of both ends.
    close, implied = np.log(bars["close"].to_numpy()), bars["implied"].fill_null(math.nan).to_numpy()
    ratios, moves, variances = [], [], []
    for t in range(len(close) - 21):
        if not math.isnan(implied[t]):
            variance = implied[t] ** 2 * (days[t + 21] - days[t]) / 365
            ratios.append(sum((close[t + k] - close[t + k - 1]) ** 2 for k in range(1, 22)) / variance)
            moves.append(close[t + 21] - close[t])
            variances.append(variance)
    x, z = np.array(ratios), np.array(moves) / np.sqrt(variances)
    score = found.methods["iv_30_day"]
    assert len(found.spans) == len(x) > 1200
    assert score.overstatement.ratio == pytest.approx(1 / math.sqrt(x.mean()), rel=1e-12)
    assert score.median_log_ratio == pytest.approx(-np.median(np.log(x)) / 2, rel=1e-12)
    assert score.qlike == pytest.approx(np.mean(x - np.log(x) - 1), rel=1e-12)
    assert score.log_score == pytest.approx(np.mean(stats.norm.logpdf(z) - np.log(variances) / 2), rel=1e-12)
    assert score.inside[68] == np.mean(np.abs(z) <= stats.norm.ppf(0.84))
