# SPDX-License-Identifier: MIT
"""Charts become files and pictures in the web UI; one that cannot be drawn fails nothing."""

from __future__ import annotations

import base64
from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.defs.assets.charts import draw_charts

PNG = b"\x89PNG\r\n\x1a\nsimulated"


def chart(*, is_simulated: bool) -> bytes:
    return PNG if is_simulated else PNG[:-9]


def broken(*, is_simulated: bool) -> bytes:
    raise RuntimeError("no font")


def test_a_chart_is_a_file_and_an_inline_picture(tmp_path: Path) -> None:
    log = dg.build_asset_context().log
    metadata = draw_charts({"cone": chart}, tmp_path, is_simulated=True, log=log)
    path = tmp_path / "plots" / "cone.png"
    assert path.read_bytes() == PNG
    assert list(path.parent.iterdir()) == [path]
    assert metadata["chart_cone"].value == f"![cone](data:image/png;base64,{base64.b64encode(PNG).decode()})"
    assert metadata["chart_cone_file"].value == str(path)


def test_a_chart_is_told_that_data_is_real(tmp_path: Path) -> None:
    draw_charts({"cone": chart}, tmp_path, is_simulated=False, log=dg.build_asset_context().log)
    assert (tmp_path / "plots" / "cone.png").read_bytes() == PNG[:-9]


def test_a_chart_that_cannot_be_drawn_is_logged_and_the_others_are_drawn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = dg.build_asset_context().log
    metadata = draw_charts({"bad": broken, "cone": chart}, tmp_path, is_simulated=True, log=log)
    assert metadata["chart_bad"] == "not drawn: no font"
    assert set(metadata) == {"chart_bad", "chart_cone", "chart_cone_file"}
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["cone.png"]


def test_a_folder_that_cannot_be_written_costs_the_picture_alone(tmp_path: Path) -> None:
    (tmp_path / "plots").write_text("a file in the way")
    metadata = draw_charts({"cone": chart}, tmp_path, is_simulated=True, log=dg.build_asset_context().log)
    assert metadata["chart_cone"].startswith("not drawn: ")
