# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The check that tells of MetaStock files what was rejected, set aside or doubted."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from ttapi_pipeline.core.manifest import DOUBTS
from ttapi_pipeline_tests.support.worlds import World

EODDATA = "<ticker>,<date>,<open>,<high>,<low>,<close>,<vol>\n"


def the_check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = (each for each in result.get_asset_check_evaluations() if each.check_name == "files_are_understood")
    return found


def value(check: dg.AssetCheckEvaluation, name: str) -> Any:
    return check.metadata[name].value


def test_another_instrument_is_set_aside_and_named_wherever_a_user_looks(world: World) -> None:
    before = pl.read_parquet(world.data / "eod_snapshot.parquet").filter(symbol="KO", source="metastock")
    # Two vendors beside the simulator's files: one has KO as another RIC, the other has tickers that prove nothing.
    rows = "".join(f"KO.O,202601{day:02},1,1,1,1,1\n" for day in (5, 6, 7))
    (world.metastock / "other").mkdir()
    (world.metastock / "other" / "all.txt").write_text(f"{EODDATA}{rows}XOM.N,20260105,1,1,1,1,1\n")
    (world.metastock / "bad").mkdir()
    (world.metastock / "bad" / "all.txt").write_text(
        f"{EODDATA}NEW.O,20260105,1,1,1,1,1\nABC,20260105,1,1,1,1,1\nNEW,20260105,0,0,0,0,1\n"
    )
    check = the_check(world.run("eod_snapshot"))
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    conflicts = value(check, "notices")["conflict"]
    assert [each.split(":")[0] for each in conflicts] == ["KO"]
    assert "3 rows of KO.O in other/all.txt are set aside" in conflicts[0]
    assert ["TT_METASTOCK_SUFFIXES" in each for each in value(check, "notices")["warning"]] == [True]
    assert value(check, "rejected")["close is not positive"] == 1
    after = pl.read_parquet(world.data / "eod_snapshot.parquet").filter(symbol="KO", source="metastock")
    assert after.drop("fetched_at").equals(before.drop("fetched_at"))
    provenance = world.manifest("eod_snapshot").provenance
    assert (provenance.lost["rows"], provenance.doubts) == (4, 1)
    assert provenance.statistics[DOUBTS] == 1
    rejects = pl.read_parquet(world.data / "eod_rejects.parquet")
    assert set(rejects["symbol"]) == {"KO.O", "NEW"}
    assert rejects["rows"].sum() == 4
