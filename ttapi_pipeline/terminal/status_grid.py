# SPDX-License-Identifier: MIT
"""The status grid: one row per dataset, with its age, and why it was or was not refreshed.

It is also here that the grid becomes JSON. The state of the datasets comes from `datasets.status`; a run under way is
shown by `watch`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from io import StringIO
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.core.progress import Phase, Progress
from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.datasets.status import DatasetStatus
from ttapi_pipeline.terminal.console import SafeConsole

_PHASE_STYLES: Mapping[Phase, str] = {
    Phase.WAITING: "dim",
    Phase.RUNNING: "bold",
    Phase.HIT: "green",
    Phase.REFRESHED: "green",
    Phase.FAILED: "red",
    Phase.SKIPPED: "yellow",
}
_BAR_CELLS = 12
_SHOWN_CAUTIONS = 2


def status_table(
    statuses: Mapping[str, DatasetStatus],
    *,
    origin: str,
    is_simulated: bool,
    outcomes: Mapping[str, Progress] | None = None,
    breakers: Mapping[str, str] | None = None,
) -> RenderableType:
    """The status grid of all datasets, with a line about their origin above it.

    Args:
        statuses: By dataset, upstream first.
        origin: Where the settings say that data comes from.
        is_simulated: Whether that is a simulator; the grid says so then.
        outcomes: By dataset, of the run that has just ended; None when there was none.
        breakers: State of each circuit breaker that is not closed, by endpoint family.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.add_column("dataset", no_wrap=True)
    if outcomes:
        table.add_column("run", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in ("age", "TTL", "rows", "missing"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("version", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for name, status in statuses.items():
        table.add_row(*_status_cells(name, status, outcomes))
    lines: list[RenderableType] = [_headline(origin, statuses, is_simulated=is_simulated), table]
    lines += [Text(f"{family}: {state}", style="yellow") for family, state in (breakers or {}).items()]
    return Group(*lines)


def _headline(origin: str, statuses: Mapping[str, DatasetStatus], *, is_simulated: bool) -> Text:
    stored = [status.manifest for status in statuses.values() if status.manifest is not None]
    simulated = sum(manifest.provenance.is_simulated for manifest in stored)
    headline = Text(f"source: {origin}")
    if is_simulated or simulated:
        headline.append("   SIMULATED DATA", style="bold yellow")
        headline.append(f", {simulated} of {len(stored)} stored datasets are invented; set credentials for real ones")
    return headline


def _status_cells(name: str, status: DatasetStatus, outcomes: Mapping[str, Progress] | None) -> Sequence[Text | str]:
    verdict, manifest = status.verdict, status.manifest
    cells: list[Text | str] = [name]
    if outcomes:
        work = outcomes.get(name, Progress(phase=Phase.HIT))
        cells.append(Text(work.phase, style=_PHASE_STYLES[work.phase]))
    missing = 0 if manifest is None else len(manifest.provenance.missing)
    cells += [
        Text("hit", style="green") if verdict.is_hit else Text("miss", style="yellow"),
        "-" if verdict.age is None else format_duration(max(verdict.age, timedelta(0))),
        format_duration(verdict.ttl),
        "-" if manifest is None else f"{manifest.rows:,}",
        Text(str(missing), style="yellow" if missing else ""),
        "-" if manifest is None else manifest.data_version[:8],
        _reason(name, status, outcomes),
    ]
    return cells


def _reason(name: str, status: DatasetStatus, outcomes: Mapping[str, Progress] | None) -> Text:
    work = (outcomes or {}).get(name)
    if work is not None and work.phase is Phase.SKIPPED:
        return Text(work.note, style="yellow")
    if work is not None and work.phase is Phase.FAILED:
        kept = "nothing is stored" if status.manifest is None else "what is stored stayed as it was"
        return Text(f"see the error below; {kept}", style="red")
    if status.damage is not None:
        return Text(status.damage, style="red")
    # Age and TTL have columns of their own.
    reason = "fresh" if status.verdict.rule == "fresh" else status.verdict.reason
    stored = None if status.manifest is None else status.manifest.provenance
    told = [] if stored is None or not stored.lost else [f"{stored.lost_in_words} ({', '.join(stored.lost)})"]
    if stored is not None and stored.noticed:
        told.append(f"{stored.noticed:,} to look at, see eod_notices")
    if stored is not None:
        told += _shown_cautions(stored.cautions)
    return Text("; ".join([reason, *told]), style="yellow" if told else "")


def _shown_cautions(cautions: Mapping[str, str]) -> list[str]:
    """The first few, and how many others there are."""
    shown = [f"{subject}: {sentence}" for subject, sentence in list(cautions.items())[:_SHOWN_CAUTIONS]]
    others = len(cautions) - len(shown)
    return [*shown, f"{others} more to look at"] if others else shown


def progress_table(names: Sequence[str], work: Mapping[str, Progress]) -> RenderableType:
    """A run under way: one row per dataset, in the order of `names`, with a bar where something is counted."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("dataset", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("progress", no_wrap=True)
    table.add_column("", overflow="fold")
    for name in names:
        each = work.get(name, Progress())
        table.add_row(name, Text(each.phase, style=_PHASE_STYLES[each.phase]), _bar(each), each.note)
    return table


def _bar(work: Progress) -> str:
    if work.phase is not Phase.RUNNING or not work.total:
        return ""
    filled = _BAR_CELLS * work.done // work.total
    return f"{'█' * filled}{'░' * (_BAR_CELLS - filled)} {work.done:,}/{work.total:,} {work.step}"


def progress_line(name: str, work: Progress) -> str:
    """One line about a dataset, for output that is not a terminal."""
    note = one_line(work.note)
    if work.phase is Phase.WAITING and note:
        return f"{name}: {note}"
    return f"{name}: {work.phase}{f', {note}' if note else ''}"


def render(renderable: RenderableType, *, width: int = 160) -> str:
    """Any of the tables as plain text, at most `width` columns wide."""
    console = SafeConsole(file=StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).rstrip() + "\n"


def status_document(
    statuses: Mapping[str, DatasetStatus], *, outcomes: Mapping[str, Progress] | None = None
) -> list[dict[str, Any]]:
    """The grid as plain values for JSON, one object per dataset; ages in seconds, null for an unknown one."""
    rows = []
    for name, status in statuses.items():
        manifest, verdict, work = status.manifest, status.verdict, (outcomes or {}).get(name)
        rows.append(
            {
                "dataset": name,
                "verdict": "hit" if verdict.is_hit else "miss",
                "rule": str(verdict.rule),
                "reason": verdict.reason,
                "age_seconds": None if verdict.age is None else round(verdict.age.total_seconds(), 3),
                "ttl_seconds": verdict.ttl.total_seconds(),
                "rows": None if manifest is None else manifest.rows,
                "missing": {} if manifest is None else dict(manifest.provenance.missing),
                "lost": {} if manifest is None else dict(manifest.provenance.lost),
                "doubts": 0 if manifest is None else manifest.provenance.doubts,
                "cautions": {} if manifest is None else dict(manifest.provenance.cautions),
                "data_version": None if manifest is None else manifest.data_version,
                "is_simulated": None if manifest is None else manifest.provenance.is_simulated,
                "damage": status.damage,
                "outcome": None if work is None else str(work.phase),
                "note": None if work is None else work.note,
            }
        )
    return rows
