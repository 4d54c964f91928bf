# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The look that all charts share: size, colours, headings, and the way to PNG. What is drawn: see `charts`."""

from __future__ import annotations

from colorsys import hls_to_rgb, rgb_to_hls
from io import BytesIO
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.plots.files import SOFTWARE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

INK: Final = "#1f2933"
MUTED: Final = "#65727f"
GRID: Final = "#dfe3e8"
PAPER: Final = "#fbfaf7"
BLUE: Final = "#1f6fb2"
ORANGE: Final = "#d9691e"
WARNING: Final = "#b3261e"

_DOTS_PER_INCH: Final = 108
"""The picture is 972 points wide: the web UI shows it in a window of 1,000, and cuts off wider ones."""
_COLOURS: Final = 128
"""In the PNG's palette: a third of the bytes, and no visible difference. Every materialisation event carries them."""


def canvas(
    title: str, subtitle: str, *, is_simulated: bool, height: float = 5.0, footer: float = 0.62
) -> tuple[Figure, Axes]:
    """An empty chart on an opaque, light card, which reads the same on a light and on a dark page.

    Args:
        title: The subject of the chart.
        subtitle: How to read it.
        is_simulated: Whether the data is invented; the chart then says so.
        height: In inches; the width is 9.
        footer: Inches below the axis, for its labels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - see the package's docstring
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9.0, height), dpi=_DOTS_PER_INCH, facecolor=PAPER)
    FigureCanvasAgg(figure)
    left, top = 0.075, 1.0 - 1.12 / height
    axes = figure.add_axes((left, footer / height, 0.9, top - footer / height), facecolor=PAPER)
    figure.text(left, 1.0 - 0.36 / height, title, fontsize=15, fontweight="bold", color=INK, va="center")
    figure.text(left, 1.0 - 0.64 / height, subtitle, fontsize=9.5, color=MUTED, va="center")
    if is_simulated:
        figure.text(
            0.975,
            1.0 - 0.36 / height,
            "SIMULATED DATA",
            fontsize=9.5,
            fontweight="bold",
            color="white",
            ha="right",
            va="center",
            bbox={"boxstyle": "round,pad=0.35", "facecolor": WARNING, "edgecolor": "none"},
        )
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelsize=9, length=0)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def legend(axes: Axes) -> None:
    """The legend in one line above the chart, where it covers nothing."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=6,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=1.6,
        columnspacing=1.4,
        borderaxespad=0.0,
    )


def note(axes: Axes, text: str) -> None:
    """A sentence in the place of a chart that has nothing to show."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=11, color=MUTED)
    axes.set_axis_off()


def to_png(figure: Figure) -> bytes:
    """The chart as a PNG with a palette."""
    from PIL import Image as images  # noqa: PLC0415, N813 - comes with Matplotlib

    raw = BytesIO()
    figure.savefig(raw, format="png", facecolor=figure.get_facecolor())
    image = images.open(raw).convert("RGB").quantize(_COLOURS, dither=images.Dither.NONE)
    return _saved(image)


def darkened(png: bytes) -> bytes:
    """A chart for a dark page: the same hues with light and dark exchanged."""
    from PIL import Image as images  # noqa: PLC0415, N813 - comes with Matplotlib

    image = images.open(BytesIO(png))
    colours = image.getpalette() or []
    dark: list[int] = []
    for start in range(0, len(colours), 3):
        hue, light, saturation = rgb_to_hls(*(value / 255 for value in colours[start : start + 3]))
        # Paper is not quite black, which would make the lines on it glare.
        dark += [round(255 * value) for value in hls_to_rgb(hue, 0.08 + 0.9 * (1 - light), saturation)]
    image.putpalette(dark)
    return _saved(image)


def _saved(image: Image) -> bytes:
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415 - comes with Matplotlib

    small, info = BytesIO(), PngInfo()
    info.add_text("Software", SOFTWARE)
    image.save(small, format="PNG", optimize=True, pnginfo=info)
    return small.getvalue()
