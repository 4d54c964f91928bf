# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Draws the charts of one symbol into files, for `tt show --plot`. What they show: see `plots`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.plots.canvas import darkened
from ttapi_pipeline.plots.charts import cone_chart, moves_chart
from ttapi_pipeline.plots.files import put_chart
from ttapi_pipeline.plots.forecast_charts import calibration_chart, iv_history_chart, premium_chart
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.stored import read_manifest

if TYPE_CHECKING:
    import polars as pl

    from ttapi_pipeline.terminal.show import SymbolRows

FOLDER: Final = "plots"


def draw_symbol(folder: Folder, rows: SymbolRows) -> Sequence[Folder]:
    """Draw each chart of a symbol twice, for a light and for a dark page.

    A dataset that a folder of an earlier version lacks gives a chart that says that there is nothing.

    Args:
        folder: The data folder.
        rows: What is stored of the symbol.

    Returns:
        The files, in `plots/SYMBOL` of the data folder: ``moves.png`` and ``moves_dark.png``, and so on.

    Raises:
        StorageError: A dataset cannot be read, or a file cannot be written.
    """
    symbol = str(rows.volatility["symbol"])

    def stored(name: str) -> pl.DataFrame:
        schema = DATASETS[name].schema
        if read_manifest(folder, name) is None:
            return schema.polars.to_frame()
        return scan(folder, schema).filter(symbol=symbol).collect()

    expectations = stored("expectations")
    charts: Mapping[str, Callable[..., bytes]] = {
        "moves": partial(moves_chart, rows.series),
        "volatility_cone": partial(cone_chart, rows.cone, series=rows.series),
        "implied_volatility": partial(iv_history_chart, stored("daily_candles")),
        "variance_premium": partial(premium_chart, expectations),
        "forecast_calibration": partial(calibration_chart, expectations.lazy()),
    }
    target = folder / FOLDER / symbol.replace("/", "_")
    files = []
    for name, chart in charts.items():
        light = chart(symbol=symbol, is_simulated=rows.is_simulated)
        for ending, png in (("", light), ("_dark", darkened(light))):
            path = target / f"{name}{ending}.png"
            put_chart(path, png)
            files.append(path)
    return files
