# SPDX-License-Identifier: MIT
"""Charts of a stored dataset: PNG files in `plots/` of the data folder, and pictures in the web UI."""

import base64
from collections.abc import Mapping
from typing import Any

import dagster as dg

from ttapi_pipeline.datasets.build import Chart
from ttapi_pipeline.storage.files import write_file
from ttapi_pipeline.storage.layout import Folder, make_folder

FOLDER = "plots"


def draw_charts(
    charts: Mapping[str, Chart], folder: Folder, *, is_simulated: bool, log: dg.DagsterLogManager
) -> dict[str, Any]:
    """Draw each chart, put it in place as a whole, and return it as metadata.

    The data is stored by now, and a picture is no reason to call that a failure: what cannot be drawn or written is
    logged, and the metadata says so.
    """
    metadata: dict[str, Any] = {}
    for name, chart in charts.items():
        target = folder / FOLDER / f"{name}.png"
        try:
            png = chart(is_simulated=is_simulated)
            make_folder(folder / FOLDER)
            write_file(target, png)
        except Exception as error:
            log.exception("%s could not be drawn", target)
            metadata[f"chart_{name}"] = f"not drawn: {error}"
            continue
        encoded = base64.b64encode(png).decode("ascii")
        metadata[f"chart_{name}"] = dg.MetadataValue.md(f"![{name}](data:image/png;base64,{encoded})")
        metadata[f"chart_{name}_file"] = dg.MetadataValue.path(str(target))
    return metadata
