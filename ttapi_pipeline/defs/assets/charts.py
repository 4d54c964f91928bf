# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The charts of a stored dataset: PNG files in `plots/` of the data folder, and pictures in the web UI.

The pictures of one event are one entry of its metadata, in Markdown, with the path of each below it. The charts
themselves: see `plots`.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.datasets.build import Chart
from ttapi_pipeline.plots.files import put_chart
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.store import open_store

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
        Metadata for the materialisation; nothing where there is no chart.
    """
    shown = []
    for name, chart in charts.items():
        target = _file(folder, name)
        try:
            png = chart(is_simulated=is_simulated)
            put_chart(target, png)
        except Exception as error:
            # Whatever a plotting library raises for odd data: the loop outlives one chart.
            log.exception("%s could not be drawn", target)
            shown.append(f"{name} was not drawn: {error}")
            continue
        shown.append(_picture(name, png, target))
    return _metadata(shown)


def stored_charts(names: Sequence[str], folder: Folder, *, since: datetime) -> dict[str, Any]:
    """The same metadata, of charts that were drawn before: for the event of a hit.

    Args:
        names: Of the charts of a dataset.
        folder: The data folder.
        since: When the stored rows were fetched. A file that is older shows other rows, and is left out.
    """
    shown = []
    for name in names:
        target = _file(folder, name)
        try:
            png = open_store(target.parent).read_file(target.name, since=since)
        except StorageError:
            # Who closed the picture has a reason.
            continue
        if png is not None:
            shown.append(_picture(name, png, target))
    return _metadata(shown)


def _file(folder: Folder, name: str) -> Folder:
    return folder / FOLDER / f"{name}.png"


def _picture(name: str, png: bytes, file: Folder) -> str:
    encoded = base64.b64encode(png).decode("ascii")
    return f"![{name}](data:image/png;base64,{encoded})\n\n`{file}`"


def _metadata(shown: Sequence[str]) -> dict[str, Any]:
    return {"charts": dg.MetadataValue.md("\n\n".join(shown))} if shown else {}
