# SPDX-License-Identifier: MIT
"""Each folder of `cases` holds inputs beside the bars and rejects that they give, both written by hand."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.metastock.frames import BARS
from ttapi_pipeline.metastock.importer import REJECTS, import_folder
from ttapi_pipeline_tests.support.metastock import check_account

CASES = sorted(path.name for path in (Path(__file__).parent / "cases").iterdir())


@pytest.mark.parametrize("case", CASES)
def test_a_folder_gives_the_bars_and_rejects_beside_it(case: str) -> None:
    folder = Path(__file__).parent / "cases" / case
    result = import_folder(folder / "input")
    assert_frame_equal(check_account(result), pl.read_csv(folder / "bars.csv", schema=BARS))
    expected = pl.read_csv(folder / "rejects.csv", schema={name: REJECTS[name] for name in REJECTS.names()[:4]})
    assert_frame_equal(result.rejects.select(REJECTS.names()[:4]), expected)
