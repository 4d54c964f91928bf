# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Whether objects in the places of a dataset are ours, by the rule of `storage.claims`: what is not ours stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ttapi_pipeline.storage.claims import has_traces
from ttapi_pipeline.storage.footer import FOOTER_KEY
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.bucket import ObjectFacts
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.manifests import Beside
from ttapi_pipeline.storage.objects.names import ObjectNames

_END_BYTES: Final = 1 << 20
"""Where the footer of a Parquet file is looked for."""


def foreign_objects(names: ObjectNames, beside: Beside | None = None) -> Sequence[ObjectPath]:
    """The objects in the places of a dataset that are not ours; none where nothing is stored.

    Args:
        names: Of the dataset.
        beside: What is in the data folder, if that is known.
    """
    places = (names.manifest, names.copy("parquet"), names.copy("csv"))
    if beside is not None:
        there = [beside.objects[path] for path in places if path in beside.objects]
    else:
        there = [facts for facts in bucket.at_once(bucket.facts_of, places) if facts is not None]
    by_path = {each.path: each for each in there}
    if names.manifest in by_path:
        if beside is not None and beside.copied(names.manifest, names.dataset) is not None:
            return []
        content = bucket.read(names.manifest)
        if content is None or has_traces(content.content):
            return []
    parquet = by_path.get(names.copy("parquet"))
    if parquet is not None and _is_ours(parquet):
        return []
    return list(by_path)


def _is_ours(parquet: ObjectFacts) -> bool:
    end = bucket.read_end(parquet.path, parquet.bytes, _END_BYTES)
    return FOOTER_KEY.encode() in end or has_traces(end)
