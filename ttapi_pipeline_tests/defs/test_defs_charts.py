# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Charts become files and pictures in the web UI; one that cannot be drawn fails nothing."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.defs.assets.charts import draw_charts, stored_charts

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
    picture = f"![cone](data:image/png;base64,{base64.b64encode(PNG).decode()})"
    assert metadata["charts"].value == f"{picture}\n\n`{path}`"


def test_charts_that_were_drawn_before_are_shown_as_they_were_then(tmp_path: Path) -> None:
    drawn = draw_charts({"a": chart, "b": chart}, tmp_path, is_simulated=True, log=dg.build_asset_context().log)
    before = datetime.now(UTC) - timedelta(minutes=1)
    assert stored_charts(["a", "b"], tmp_path, since=before) == drawn


def test_a_chart_of_older_rows_and_one_that_is_gone_are_not_shown(tmp_path: Path) -> None:
    draw_charts({"a": chart}, tmp_path, is_simulated=True, log=dg.build_asset_context().log)
    assert stored_charts(["a"], tmp_path, since=datetime.now(UTC) + timedelta(minutes=1)) == {}
    assert stored_charts(["b"], tmp_path, since=datetime.now(UTC) - timedelta(minutes=1)) == {}


def test_a_chart_is_told_that_data_is_real(tmp_path: Path) -> None:
    draw_charts({"cone": chart}, tmp_path, is_simulated=False, log=dg.build_asset_context().log)
    assert (tmp_path / "plots" / "cone.png").read_bytes() == PNG[:-9]


def test_a_chart_that_cannot_be_drawn_is_logged_and_the_others_are_drawn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = dg.build_asset_context().log
    metadata = draw_charts({"bad": broken, "cone": chart}, tmp_path, is_simulated=True, log=log)
    bad, cone, file = metadata["charts"].value.split("\n\n")
    assert bad == "bad was not drawn: no font"
    assert cone.startswith("![cone](data:image/png")
    assert file == f"`{tmp_path / 'plots' / 'cone.png'}`"
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["cone.png"]


def test_a_folder_that_cannot_be_written_costs_the_picture_alone(tmp_path: Path) -> None:
    (tmp_path / "plots").write_text("a file in the way")
    metadata = draw_charts({"cone": chart}, tmp_path, is_simulated=True, log=dg.build_asset_context().log)
    assert metadata["charts"].value.startswith("cone was not drawn: ")
