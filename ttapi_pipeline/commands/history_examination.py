# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The part of `tt doctor` that looks at earlier versions: the room that they take, and whether they can be read."""

from __future__ import annotations

from collections.abc import Iterator

from ttapi_pipeline.commands.examination import Finding
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.store import open_store


def examine_history(settings: Settings) -> Iterator[Finding]:
    """What history takes, what it costs per year, and what of it is damaged. Every kept file of a disk is read once."""
    store = open_store(open_folder(settings.data_dir))
    try:
        found, damaged = store.usage(), store.damaged_versions()
    except TTError as error:
        yield Finding("history", str(error), is_good=False)
        return
    if not found:
        yield Finding("history", "nothing was published yet", is_good=True)
        return
    taken = sum(each.bytes for each in found)
    known = [each for each in found if each.bytes_per_year is not None]
    costs = sorted(((each.bytes_per_year or 0, each.dataset) for each in known), reverse=True)
    words = f"{sum(each.versions for each in found):,} versions of {len(found)} tables take {taken / 1e6:,.1f} MB"
    if known:
        most = ", ".join(f"{name} {size / 1e6:,.0f}" for size, name in costs[:3])
        words += f"; {sum(size for size, _ in costs) / 1e6:,.0f} MB a year as it was so far ({most})"
    else:
        words += "; what a year costs is known after three sessions"
    limit = settings.keep_bytes
    if limit is not None and taken > limit:
        words += (
            f". TT_KEEP_BYTES allows {limit / 1e6:,.1f} MB: what could not go is stored now, or the last of a session; "
            "raise it, or move older data folders away"
        )
    yield Finding("history", words, is_good=limit is None or taken <= limit)
    for sentence in damaged:
        yield Finding("history", sentence, is_good=False)
