# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The status grid as lines of text: one row per dataset, at any width, with the reason of every miss.

What a row says: see `dataset_rows`. A run under way is shown by `watch`, which draws these lines in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.cells import cell_len

from ttapi_pipeline.core.csv_choice import MOST_SHEET_ROWS
from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.core.progress import Phase, Progress
from ttapi_pipeline.core.traffic import Traffic
from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.datasets.status import DatasetStatus
from ttapi_pipeline.terminal.dataset_rows import DatasetRow, Mood, age_in_words
from ttapi_pipeline.terminal.figures import fitted, quantity
from ttapi_pipeline.terminal.pen import UNICODE, Glyphs, Pen, wrapped

_STYLES: Final[Mapping[Mood, str]] = {
    Mood.GOOD: "32",
    Mood.BUSY: "1",
    Mood.QUIET: "2",
    Mood.WARNING: "33",
    Mood.BAD: "31",
}
_BOLD, _DIM, _SIMULATED = "1", "2", "1;33"
_NAME_CELLS: Final = 18
_BAR_CELLS: Final = 6
_LEAST_DETAIL: Final = 22
"""Cells that the reason has on any terminal."""

_WIDE: Final = 110
"""From this width on, numbers of rows are written with all their digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """All that the grid shows at one moment.

    Attributes:
        rows: In the order of the grid.
        headline: What the state of all is, in a sentence.
        source: Where the settings say that data comes from.
        simulated: What to say of invented data; empty when there is none.
        places: Labels and absolute paths, such as of the data folder.
        traffic: With the API, in words and the most important first; empty when there was none.
        breakers: State of each circuit breaker that is not closed, by endpoint family.
        remarks: Sentences about files, for below the grid.
    """

    rows: Sequence[DatasetRow]
    headline: str
    source: str
    simulated: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    traffic: Sequence[str] = ()
    breakers: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Column:
    """A column between the name and the detail.

    Attributes:
        title: Its head.
        cells: Its width, without the space before it.
        text: Makes the cell.
        order: The columns that matter most have the smallest; those that do not fit are left out.
        is_left: Whether its text stands on the left.
    """

    title: str
    cells: int
    text: Callable[[DatasetRow, Glyphs], str]
    order: int
    is_left: bool = False


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _short_number(value: int | None) -> str:
    return "-" if value is None else quantity(value)


def _bar(row: DatasetRow, glyphs: Glyphs) -> str:
    """How much of its TTL a dataset has used up."""
    if row.age is None:
        return ""
    used = max(0.0, min(1.0, row.age / row.ttl)) if row.ttl else 1.0
    filled = round(_BAR_CELLS * used)
    return glyphs.full * filled + glyphs.empty * (_BAR_CELLS - filled)


def _percent(share: float | None) -> str:
    # 99.9% of a list is not all of it.
    return "-" if share is None else f"{int(share * 100)}%"


def _columns(width: int) -> Sequence[_Column]:
    """The columns that fit beside the name and the detail, in the order of the line."""
    is_wide = width >= _WIDE
    count = _number if is_wide else _short_number
    row_cells, change_cells = (12, 10) if is_wide else (6, 7)
    everything = (
        _Column("state", 9, lambda row, _: row.state, 0, is_left=True),
        _Column("used", _BAR_CELLS, _bar, 3, is_left=True),
        _Column("age", 7, lambda row, _: age_in_words(row.age), 1),
        _Column("TTL", 6, lambda row, _: format_duration(row.ttl), 8),
        _Column("rows", row_cells, lambda row, _: count(row.rows), 4),
        _Column("new", change_cells, lambda row, _: count(row.new), 6),
        _Column("changed", change_cells, lambda row, _: count(row.changed), 7),
        _Column("came", 4, lambda row, _: _percent(row.coverage), 2),
        _Column("missing", 7, lambda row, _: str(row.missing), 5),
        _Column("version", 8, lambda row, _: row.data_version[:8] or "-", 9, is_left=True),
    )
    left = width - _NAME_CELLS - 1 - max(_LEAST_DETAIL, width // 4)
    chosen = set()
    for column in sorted(everything, key=lambda column: column.order):
        left -= column.cells + 1
        if left < 0:
            break
        chosen.add(column.title)
    return [column for column in everything if column.title in chosen]


def grid_lines(
    frame: Frame, *, width: int, height: int | None = None, is_coloured: bool = False, glyphs: Glyphs = UNICODE
) -> list[str]:
    """The lines of the grid, none wider than `width` cells.

    Args:
        frame: What to show.
        width: Columns of the terminal.
        height: Lines of the terminal; None for as many as it takes. What matters least is left out: the reasons in
            full, the lines below the grid, then the rows of datasets with which nothing happens.
        is_coloured: Whether the lines may have colours, as escape sequences.
        glyphs: The characters of bars.
    """
    pen = Pen(is_coloured=is_coloured, glyphs=glyphs, width=width)
    columns = _columns(width)
    head = [*_head(frame, pen), pen.styled(_titles(columns, width), _DIM)]
    notes = [line for row in frame.rows for line in _note(row, columns, pen)]
    below = _foot(frame, pen)
    rows = list(frame.rows)
    if height is not None:
        room = height - len(head) - len(rows)
        below = below[: max(room, 0)] if room < len(below) else below
        notes = notes[: max(room - len(below) - 1, 0)]
        rows = _most_important(rows, height - len(head))
    lines = [*head, *(_line(row, columns, pen) for row in rows)]
    if notes:
        lines += ["", *notes]
    if below and (height is None or len(lines) + len(below) < height):
        lines.append("")
    lines += below
    return lines if height is None else lines[:height]


def _head(frame: Frame, pen: Pen) -> list[str]:
    lines = [pen.styled(pen.cut(one_line(frame.headline), pen.width), _BOLD)]
    source = one_line(f"source: {frame.source}")
    if not frame.simulated:
        return [*lines, pen.cut(source, pen.width)]
    mark = "SIMULATED DATA"
    room = pen.width - cell_len(source) - 3 - len(mark)
    if room < 0:
        return [*lines, pen.cut(source, pen.width), pen.styled(mark, _SIMULATED)]
    # Whole clauses, the most important first: half a sentence says nothing.
    whole = one_line(f", {frame.simulated}")
    rest = next((text for text in (whole, whole.partition(";")[0]) if cell_len(text) <= room), "")
    return [*lines, f"{source}   {pen.styled(mark, _SIMULATED)}{rest}"]


def _titles(columns: Sequence[_Column], width: int) -> str:
    cells = [_padded(column.title[: column.cells], column) for column in columns]
    return " ".join(["dataset".ljust(_NAME_CELLS), *cells, "step or reason"])[:width].rstrip()


def _padded(text: str, column: _Column) -> str:
    return text.ljust(column.cells) if column.is_left else text.rjust(column.cells)


def _line(row: DatasetRow, columns: Sequence[_Column], pen: Pen) -> str:
    cells = [pen.cut(one_line(row.name), _NAME_CELLS).ljust(_NAME_CELLS)]
    for column in columns:
        cell = _padded(pen.cut(column.text(row, pen.glyphs), column.cells), column)
        if column.title == "state":
            cell = pen.styled(cell, _STYLES[row.mood])
        elif (column.title == "missing" and row.missing) or (column.title == "came" and (row.coverage or 1.0) < 1.0):
            cell = pen.styled(cell, _STYLES[Mood.WARNING])
        cells.append(cell)
    detail = pen.cut(one_line(row.detail), _detail_cells(columns, pen.width))
    cells.append(pen.styled(detail, _STYLES[row.mood] if row.is_told else ""))
    return " ".join(cells).rstrip()


def _detail_cells(columns: Sequence[_Column], width: int) -> int:
    return width - _NAME_CELLS - 1 - sum(column.cells + 1 for column in columns)


def _note(row: DatasetRow, columns: Sequence[_Column], pen: Pen) -> list[str]:
    """The reason in full, where it is to be read and its cell is too small."""
    text = one_line(row.detail)
    if not row.is_told or cell_len(text) <= _detail_cells(columns, pen.width):
        return []
    return wrapped(f"{row.name}: {text}", pen.width)


def _foot(frame: Frame, pen: Pen) -> list[str]:
    lines = [
        pen.styled(pen.cut(one_line(f"{family}: {state}"), pen.width), _STYLES[Mood.WARNING])
        for family, state in frame.breakers.items()
    ]
    if frame.traffic:
        lines.append(pen.styled(fitted(["api:", *frame.traffic], pen.width), _DIM))
    lines += [pen.styled(line, _DIM) for remark in frame.remarks for line in wrapped(one_line(remark), pen.width)]
    return [*lines, *_place_lines(frame.places, pen)]


def place_lines(places: Mapping[str, str], *, width: int, is_coloured: bool, glyphs: Glyphs) -> list[str]:
    """A line per place below a grid, none wider than `width` cells.

    Args:
        places: Labels and absolute paths.
        width: Columns of the terminal.
        is_coloured: Whether the lines may have colours, as escape sequences.
        glyphs: The character where a path is cut.
    """
    return _place_lines(places, Pen(is_coloured=is_coloured, glyphs=glyphs, width=width))


def _place_lines(places: Mapping[str, str], pen: Pen) -> list[str]:
    label_cells = max(map(len, places), default=0) + 1
    lines = []
    for label, path in places.items():
        shown = pen.elided(one_line(path), pen.width - label_cells - 1)
        lines.append(pen.styled(f"{f'{label}:'.ljust(label_cells)} {shown}", _DIM))
    return lines


def _most_important(rows: Sequence[DatasetRow], room: int) -> list[DatasetRow]:
    """As many rows as there is room for, in their order; those with which something happens stay longest."""
    ranks = {Mood.BAD: 0, Mood.BUSY: 1, Mood.WARNING: 2, Mood.QUIET: 3, Mood.GOOD: 4}
    kept = sorted(range(len(rows)), key=lambda position: (ranks[rows[position].mood], position))[: max(room, 0)]
    return [rows[position] for position in sorted(kept)]


def headline(statuses: Mapping[str, DatasetStatus], work: Mapping[str, Progress] | None = None) -> str:
    """The state of all datasets in a sentence.

    Args:
        statuses: By dataset.
        work: How far a run has come, by dataset of the run; None when there is none.
    """
    if work:
        return _of_run(work, len(statuses))
    fresh = sum(status.verdict.is_hit for status in statuses.values())
    if not any(status.manifest is not None for status in statuses.values()):
        return f"nothing is stored yet; `tt` fills all {len(statuses)} datasets"
    if fresh == len(statuses):
        return f"all {len(statuses)} datasets are fresh"
    return f"{fresh} of {len(statuses)} datasets are fresh, {len(statuses) - fresh} to refresh"


def _of_run(work: Mapping[str, Progress], total: int) -> str:
    count = {phase: sum(each.phase is phase for each in work.values()) for phase in Phase}
    to_go = count[Phase.WAITING] + count[Phase.RUNNING]
    told = {
        "refreshed": count[Phase.REFRESHED],
        "already fresh": count[Phase.HIT],
        "failed": count[Phase.FAILED],
        "not run": count[Phase.SKIPPED],
    }
    words = [f"{number} {text}" for text, number in told.items() if number]
    if to_go == len(work) and not count[Phase.RUNNING]:
        return f"refreshing {len(work)} of {total} datasets: starting"
    if to_go:
        return ", ".join([f"refreshing {len(work)} of {total} datasets: {to_go} to go", *words])
    return f"{len(work)} of {total} datasets in this run: {', '.join(words)}"


def simulated_words(statuses: Mapping[str, DatasetStatus], *, is_simulated: bool) -> str:
    """What to say of invented data; empty when neither the settings nor a stored dataset are simulated."""
    stored = [status.manifest for status in statuses.values() if status.manifest is not None]
    invented = sum(manifest.provenance.is_simulated for manifest in stored)
    if not is_simulated and not invented:
        return ""
    if not stored:
        return "all of it will be invented; set credentials for real data"
    count = f"all {len(stored)}" if invented == len(stored) > 1 else f"{invented} of {len(stored)}"
    return f"{count} stored datasets are invented; set credentials for real ones"


def remarks_about_files(statuses: Mapping[str, DatasetStatus]) -> Sequence[str]:
    """What a person who opens the files should know: which CSVs no spreadsheet opens whole. Empty without any."""
    long = [name for name, each in statuses.items() if each.manifest is not None and each.manifest.is_csv_too_long]
    if not long:
        return ()
    files = " and ".join(f"{name}.csv" for name in long) if len(long) < 3 else f"{len(long)} of the CSVs"
    sheet = f"more than the {MOST_SHEET_ROWS:,} rows that a spreadsheet opens"
    return (f"{files}: {sheet}; TT_CSV=recent has the newest sessions, `tt export` some rows",)


def traffic_words(traffic: Traffic | None, per_second: float | None = None) -> Sequence[str]:
    """Requests of a run in words, the most important first; empty when none was made."""
    if traffic is None or not traffic.requests:
        return ()
    refused = [family for family, state in traffic.breakers.items() if state != "closed"]
    pace = [] if per_second is None else [f"{per_second:,.0f}/s"]
    return (
        f"{traffic.requests:,} requests",
        f"{traffic.in_flight:,} in flight",
        *pace,
        f"{traffic.retries:,} retries",
        f"{traffic.throttled:,} throttled",
        f"breakers open: {', '.join(refused)}" if refused else "breakers closed",
    )


def progress_line(name: str, work: Progress) -> str:
    """One line about a dataset, for output that is not a terminal."""
    note = one_line("; ".join(filter(None, [work.note, *work.losses])))
    if work.phase is Phase.WAITING and note:
        return f"{name}: {note}"
    return f"{name}: {work.phase}{f', {note}' if note else ''}"
