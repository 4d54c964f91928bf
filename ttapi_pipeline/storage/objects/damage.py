# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a reader has found wrong with rows in an object store, noted for every other program.

A note counts for one publication: the next one has other files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.seals import seal, unseal
from ttapi_pipeline.storage.damage import Damage
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.bucket import ObjectFacts
from ttapi_pipeline.storage.objects.names import ObjectNames

_SEALED_BY: Final = "damage of objects 1"

GONE: Final = "no such object"


def note_damage(names: ObjectNames, manifest: Manifest, seen: str) -> Damage:
    """Note that the rows of a publication are not what was written.

    Args:
        names: Of the dataset.
        manifest: Of the publication.
        seen: What is there instead: a hash, a size, or GONE.

    Returns:
        The damage, in words. It is returned also where it cannot be noted.
    """
    damage = Damage(f"{names.dataset}.parquet", manifest.parquet.xxh3_128, seen)
    document = {"write_id": manifest.write_id, "seen": seen}
    with suppress(StorageError):
        bucket.write(names.damage, seal(json.dumps(document).encode(), by=_SEALED_BY))
    return damage


def noted_damage(names: ObjectNames, manifest: Manifest) -> Mapping[str, Damage]:
    """What is noted about the publication that a manifest describes, by file name; empty when nothing is."""
    found = bucket.read(names.damage)
    try:
        content = None if found is None else unseal(found.content, by=_SEALED_BY)
        document = {} if content is None else dict(json.loads(content))
    except ValueError:
        return {}
    if document.get("write_id") != manifest.write_id:
        return {}
    damage = Damage(f"{names.dataset}.parquet", manifest.parquet.xxh3_128, str(document.get("seen")))
    return {damage.file: damage}


def forget_damage(names: ObjectNames) -> None:
    """Remove the note: the rows have been replaced. A note that stays is ignored."""
    with suppress(StorageError):
        bucket.remove([names.damage])


def difference(manifest: Manifest, facts: ObjectFacts | None) -> str | None:
    """What a listing says against the rows of a manifest; None where it says nothing."""
    if facts is None:
        return GONE
    return None if facts.bytes == manifest.parquet.bytes else f"{facts.bytes} bytes"
