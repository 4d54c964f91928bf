# SPDX-License-Identifier: MIT
"""Draws the charts of a stored dataset: PNG files in `plots/` of the data folder, and pictures in the web UI.

The charts themselves: see `plots`.
"""

import base64
from collections.abc import Mapping
from typing import Any

import dagster as dg

from ttapi_pipeline.datasets.build import Chart
from ttapi_pipeline.plots.files import put_chart
from ttapi_pipeline.storage.layout import Folder, make_folder

FOLDER = "plots"


def draw_charts(
    charts: Mapping[str, Chart], folder: Folder, *, is_simulated: bool, log: dg.DagsterLogManager
) -> dict[str, Any]:
    """Draw each chart and put its file in place as a whole.

    The data is stored by now, and a picture that fails does not make that a failure. A chart that cannot be drawn or
    written is logged, and its metadata says so.

    Args:
        charts: By name: functions that return the bytes of a PNG file.
        folder: The data folder.
        is_simulated: Whether the charts say that their data is simulated.
        log: Of the step.

    Returns:
        Metadata for the materialisation, two entries per chart: the picture and the path of its file.
    """
    metadata: dict[str, Any] = {}
    for name, chart in charts.items():
        target = folder / FOLDER / f"{name}.png"
        try:
            png = chart(is_simulated=is_simulated)
            make_folder(folder / FOLDER)
            put_chart(target, png)
        except Exception as error:
            # Whatever a plotting library raises for odd data: the loop outlives one chart.
            log.exception("%s could not be drawn", target)
            metadata[f"chart_{name}"] = f"not drawn: {error}"
            continue
        encoded = base64.b64encode(png).decode("ascii")
        metadata[f"chart_{name}"] = dg.MetadataValue.md(f"![{name}](data:image/png;base64,{encoded})")
        metadata[f"chart_{name}_file"] = dg.MetadataValue.path(str(target))
    return metadata
