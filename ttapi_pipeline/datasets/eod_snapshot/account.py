# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The account of an EOD snapshot: what became of every row of the MetaStock files, and whether it adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from ttapi_pipeline.core.manifest import DOUBTS, Provenance, lost_facts
from ttapi_pipeline.metastock.importer import FolderImport


def account_problems(provenance: Provenance, *, bars: int, rejects: int) -> Sequence[str]:
    """Sentences about rows of the import that are not accounted for; none when every row is.

    Rows read must be rows kept, duplicates and rejected ones. What was kept, less what gave way to candles or is of
    symbols that the user does not want, and what was rejected must be what is stored. Each file must have as many rows
    and rejects as its own account says, which the import has compared.

    Args:
        provenance: Of the stored snapshot.
        bars: Rows from MetaStock files that it holds.
        rejects: Rows that are stored as rejected.
    """
    statistics = provenance.statistics
    read, kept, duplicates, rejected = (
        int(statistics.get(f"metastock_{name}", 0)) for name in ("rows_read", "rows_kept", "duplicates", "rejected")
    )
    problems = []
    if read != kept + duplicates + rejected:
        problems.append(f"of {read} rows, {kept} were kept, {duplicates} are duplicates and {rejected} were rejected")
    replaced, left_out = (int(statistics.get(f"metastock_{name}", 0)) for name in ("replaced", "left_out"))
    if kept != bars + replaced + left_out:
        gave_way = f", {replaced} of them gave way to candles" if replaced else ""
        unwanted = f", {left_out} are of symbols that are left out" if left_out else ""
        problems.append(f"{kept} rows were kept{gave_way}{unwanted}, and the snapshot has {bars}")
    if rejected != rejects:
        problems.append(f"{rejected} rows were rejected, and {rejects} are stored as such")
    if "metastock_unaccounted" in statistics:
        problems.append(str(statistics["metastock_unaccounted"]))
    return problems


def unaccounted(imported: FolderImport | None, *, bars: int) -> Mapping[str, str]:
    """The files whose account and whose rows disagree, in words; nothing when there are none."""
    if imported is None:
        return {}
    rejects = imported.rejects.group_by("file").agg(listed=pl.col("rows").sum())
    balance = pl.col("rows_kept") + pl.col("duplicates") + pl.col("rejected")
    wrong = imported.files.join(rejects, on="file", how="left").filter(
        (pl.col("rows_read") != balance) | (pl.col("rejected") != pl.col("listed").fill_null(0))
    )["file"]
    problems = [f"the account of {name} does not add up" for name in wrong.head(20)]
    kept = int(imported.files["rows_kept"].cast(pl.Int64).sum())
    if kept != bars:
        problems.append(f"{bars} bars came out of {kept} rows")
    return {"metastock_unaccounted": "; ".join(problems)} if problems else {}


def losses(imported: FolderImport | None, notices: pl.DataFrame, *, doubted: int) -> Mapping[str, int]:
    """Fields and rows that could not be read, rows of tickers that were set aside, and what a person should look at.

    Args:
        imported: The files; None without a folder.
        notices: What is told of them, by kind.
        doubted: Notices about single symbols.
    """
    if imported is None:
        return {DOUBTS: doubted} if doubted else {}
    rejected = int(imported.files["rejected"].cast(pl.Int64).sum())
    kinds = dict(notices.group_by("kind").len().iter_rows())
    doubtful = kinds.get("warning", 0) + doubted
    return {
        **lost_facts({**imported.lost, "rows": rejected}),
        **({DOUBTS: doubtful} if doubtful else {}),
        "metastock_tickers_set_aside": kinds.get("conflict", 0),
    }


def accounting(imported: FolderImport | None) -> Mapping[str, int]:
    """Files, and the rows of all of them together."""
    if imported is None:
        return {}
    totals = imported.files.select(pl.col("rows_read", "rows_kept", "duplicates", "rejected").cast(pl.Int64).sum()).row(
        0, named=True
    )
    return {
        "metastock_files": imported.files.height,
        "metastock_files_read": imported.files_read,
        **{f"metastock_{name}": value for name, value in totals.items()},
    }
