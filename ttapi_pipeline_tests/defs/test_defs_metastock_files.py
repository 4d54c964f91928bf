# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Files of a user's folder, as people have downloaded them, through an import by Dagster: what is stored and said."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume\n"
FILES = {
    "JNJ.csv": f"{YAHOO}1962-01-02,0.0,0.770833,0.760417,0.760417,0.002072,0\n",
    "WMT.csv": f"{YAHOO}2018-12-03,90.5,91,90,90.75,90.75,-108907296\n2018-12-04,90,91,89,90.5,90.5,-\n",
    "GE.csv": "Date,Close/Last,Volume,Open,High,Low\n11/20/2026,$252.30,41210000,$251.10,$253.50,$250.90\n",
    # The world stands on Saturday, 2026-11-21.
    "PFE.csv": "Date,Close\n2026-11-20,25.5\n2026-11-23,26.5\n",
    "T.csv": "Date,Open,High,Low,Close,Volume\n2026-11-02,9,9,9,9,1\n2026-11-09,9,9,9,9,1\n2026-11-16,9,9,9,9,1\n",
}


def test_a_run_keeps_the_closes_and_says_what_it_lost(world: Any) -> None:
    for name, content in FILES.items():
        (world.metastock / name).write_text(content)
    result = world.run("eod_snapshot")
    assert result.success
    stored = pl.read_parquet(world.data / "eod_snapshot.parquet").filter(source="metastock")
    bars = stored.filter(pl.col("symbol").is_in(["JNJ", "WMT", "GE", "PFE", "T"]))
    assert bars.select("symbol", "session", "open", "close", "volume").rows() == [
        ("GE", date(2026, 11, 20), 251.1, 252.3, 41_210_000.0),
        ("JNJ", date(1962, 1, 2), None, 0.760417, 0.0),
        ("PFE", date(2026, 11, 20), None, 25.5, None),
        ("WMT", date(2018, 12, 3), 90.5, 90.75, None),
        ("WMT", date(2018, 12, 4), 90.0, 90.5, None),
    ]
    assert world.manifest("eod_snapshot").provenance.lost.items() >= {"open": 1, "volume": 2}.items()
    checks = {each.check_name: each for each in result.get_asset_check_evaluations()}
    assert not checks["coverage"].passed
    assert checks["coverage"].severity == dg.AssetCheckSeverity.WARN
    assert checks["accounts_for_every_row"].passed
    rejects = pl.read_parquet(world.data / "eod_rejects.parquet").filter(pl.col("file").is_in(list(FILES)))
    assert rejects.select("file", "line", "reason").sort("file", "line").rows() == [
        ("PFE.csv", 3, "the date had not come when the file was read, on 2026-11-21"),
        *(("T.csv", line, "the bars are a week apart, so these are no daily rows") for line in (2, 3, 4)),
    ]
    # On Tuesday the row is a bar, though the file is the same.
    world.advance(timedelta(days=3))
    assert world.run("eod_snapshot").success
    after = pl.read_parquet(world.data / "eod_snapshot.parquet").filter(symbol="PFE")
    assert after["session"].to_list() == [date(2026, 11, 20), date(2026, 11, 23)]
