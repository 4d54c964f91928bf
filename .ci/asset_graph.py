# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Draws the graph of assets from their declarations, for the README: ``make docs`` writes docs/asset-graph.svg.

A column per step away from what is fetched or found; within a column, assets lie near what they are made from.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.registry import DATASETS

QUOTE_HISTORY = "quote_history"
OBSERVED = {METASTOCK_FILES: "market_data", QUOTE_HISTORY: "market_data"}
"""Assets that no refresh makes, with their groups."""

FILLS = {"reference": "#dce9f7", "market_data": "#e2f2e4", "analytics": "#ffeddc", "accounts": "#ece4f5"}
LINES = {"reference": "#6b9ac4", "market_data": "#7fb28a", "analytics": "#e0a070", "accounts": "#9b86b8"}
BOX = (231, 50)
STEP = (331, 84)
MARGIN = 25
TOP = 70


def upstream(name: str) -> Sequence[str]:
    """What an asset is made from."""
    return DATASETS[name].upstream if name in DATASETS else ()


def group(name: str) -> str:
    """The group of an asset."""
    return DATASETS[name].group if name in DATASETS else OBSERVED[name]


def columns() -> list[list[str]]:
    """The assets by their distance from what is not made from another one, each column in the order of the picture."""
    depths: dict[str, int] = dict.fromkeys(OBSERVED, 0)
    for name in DATASETS:
        depths[name] = max((depths[each] + 1 for each in upstream(name)), default=0)
    found: list[list[str]] = [[] for _ in range(max(depths.values()) + 1)]
    for name, depth in depths.items():
        found[depth].append(name)
    # What nothing is made from leaves the middle to the others.
    used = {each for name in DATASETS for each in upstream(name)}
    found[0].sort(key=lambda name: (name in used, name == METASTOCK_FILES))
    places = {name: row for row, name in enumerate(found[0])}
    for column in found[1:]:
        column.sort(key=lambda name: sum(places[each] for each in upstream(name)) / len(upstream(name)))
        places |= {name: row for row, name in enumerate(column)}
    return found


def places(found: Sequence[Sequence[str]]) -> Mapping[str, tuple[float, float]]:
    """The left and upper corner of each box; a column with fewer boxes is centred."""
    most = max(map(len, found))
    return {
        name: (MARGIN + depth * STEP[0], TOP + (row + (most - len(column)) / 2) * STEP[1])
        for depth, column in enumerate(found)
        for row, name in enumerate(column)
    }


def picture() -> str:
    """The SVG."""
    found = columns()
    at = places(found)
    width = MARGIN * 2 + (len(found) - 1) * STEP[0] + BOX[0]
    height = TOP + max(map(len, found)) * STEP[1]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        '     font-family="sans-serif" font-size="17">',
        "<!-- SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors -->",
        "<!-- SPDX-License-Identifier: MIT -->",
        "<title>What each asset is made from</title>",
        f'<rect width="{width}" height="{height}" fill="#fcfbf8"/>',
    ]
    for position, (name, fill) in enumerate(FILLS.items()):
        x = MARGIN + position * 190
        lines.append(f'<rect x="{x}" y="19" width="36" height="22" rx="3" fill="{fill}" stroke="#667"/>')
        lines.append(f'<text x="{x + 46}" y="36">{name}</text>')
    lines.append(f'<text x="{width - MARGIN}" y="36" text-anchor="end" fill="#777">dashed: observed, not made</text>')
    for name in DATASETS:
        for each in upstream(name):
            x0, y0 = at[each][0] + BOX[0], at[each][1] + BOX[1] / 2
            x1, y1 = at[name][0], at[name][1] + BOX[1] / 2
            bend = (x1 - x0) / 2
            path = f"M{x0:g} {y0:g}C{x0 + bend:g} {y0:g} {x1 - bend:g} {y1:g} {x1:g} {y1:g}"
            lines.append(f'<path d="{path}" fill="none" stroke="{LINES[group(each)]}" stroke-width="1.5"/>')
    for name, (x, y) in at.items():
        dashed = ' stroke-dasharray="5 3"' if name in OBSERVED else ""
        box = f'x="{x:g}" y="{y:g}" width="{BOX[0]}" height="{BOX[1]}" rx="7"'
        lines.append(f'<rect {box} fill="{FILLS[group(name)]}" stroke="#556"{dashed}/>')
        lines.append(f'<text x="{x + BOX[0] / 2:g}" y="{y + 31:g}" text-anchor="middle">{name}</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    sys.stdout.write(picture())
