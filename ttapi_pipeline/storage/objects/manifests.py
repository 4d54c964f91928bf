# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reading and replacing manifests in an object store, and looking at those of many datasets with few requests.

For the look there is one object with a copy of every manifest and its ETag. It only saves requests: a copy counts where
the listing names the same ETag, so that it is never a second truth.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.seals import seal, unseal
from ttapi_pipeline.storage.layout import STATE_FOLDER, NoteKind
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.bucket import Content, ObjectFacts
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.names import ObjectNames
from ttapi_pipeline.storage.store import VersionedManifest

_SEALED_BY: Final = "manifests 1"

Found = VersionedManifest | CorruptFileError | None


def read_manifest(folder: ObjectPath, dataset: str) -> VersionedManifest | None:
    """As `Store.read_manifest`, in one request."""
    path = ObjectNames(folder, dataset).manifest
    found = bucket.read(path)
    return None if found is None else _parsed(path, found)


def read_manifests(folder: ObjectPath, datasets: Collection[str]) -> Mapping[str, Found]:
    """As `Store.read_manifests`: a request for each, all at the same time."""
    paths = {name: ObjectNames(folder, name).manifest for name in datasets}
    contents = bucket.read_all(list(paths.values()))
    return {name: _found(path, contents[path]) for name, path in paths.items()}


@dataclass(frozen=True, slots=True)
class Beside:
    """What two or three requests tell of a whole data folder.

    Attributes:
        objects: Directly in the folder, by path.
        copies: The copies of manifests, by dataset.
        damaged: The datasets with a note of damage.
    """

    objects: Mapping[ObjectPath, ObjectFacts]
    copies: Mapping[str, Any]
    damaged: Collection[str]

    @classmethod
    def of(cls, folder: ObjectPath) -> Beside:
        """Look, in three requests at the same time."""
        looks: list[Callable[[], Any]] = [
            partial(bucket.listed_beside, folder),
            partial(noted_damages, folder),
            partial(bucket.read, _copies(folder)),
        ]
        objects, damaged, copies = bucket.at_once(lambda look: look(), looks)
        return cls(
            {each.path: each for each in objects},
            _unsealed(None if copies is None else copies.content),
            damaged,
        )

    def copied(self, path: ObjectPath, dataset: str) -> Found:
        """The copy of a manifest that is stored as it was copied; None where it has to be read."""
        there, copied = self.objects.get(path), self.copies.get(dataset)
        if there is None or not isinstance(copied, dict) or copied.get("version") != there.version:
            return None
        return _found(path, Content(str(copied["manifest"]).encode(), there.version, there.written_at))


def noted_damages(folder: ObjectPath) -> Collection[str]:
    """The datasets with a note of damage, by one listing."""
    return [each.path.stem for each in bucket.listed_beside(folder / STATE_FOLDER / NoteKind.DAMAGED)]


def survey_manifests(folder: ObjectPath, datasets: Collection[str], beside: Beside) -> Mapping[str, Found]:
    """The manifests of many datasets: a request for each that was published since the copies were made."""
    found: dict[str, Found] = {}
    later = []
    for name in datasets:
        path = ObjectNames(folder, name).manifest
        found[name] = beside.copied(path, name)
        if found[name] is None and path in beside.objects:
            later.append(name)
    return {**found, **read_manifests(folder, later)}


def commit(folder: ObjectPath, manifest: Manifest, *, if_version: str | None) -> str:
    """As `Store.commit`."""
    return bucket.write_if(
        ObjectNames(folder, manifest.provenance.dataset).manifest, manifest.to_json().encode(), if_version
    )


def note_copy(folder: ObjectPath, manifest: Manifest, version: str) -> None:
    """Have the next look find this manifest without a request; a failure costs that request."""

    def with_this(content: bytes | None) -> bytes:
        copies = _unsealed(content)
        copies[manifest.provenance.dataset] = {"version": version, "manifest": manifest.to_json()}
        return seal(json.dumps(copies, ensure_ascii=False).encode(), by=_SEALED_BY)

    with suppress(StorageError):
        bucket.change(_copies(folder), with_this)


@dataclass(frozen=True, slots=True)
class Current:
    """What is in the place of a manifest.

    Attributes:
        manifest: None where there is nothing, and where there is no manifest.
        content: The very object; None where there is nothing.
    """

    manifest: Manifest | None = None
    content: Content | None = None

    @property
    def version(self) -> str | None:
        """What `commit` has to replace."""
        return None if self.content is None else self.content.version


def read_current(folder: ObjectPath, dataset: str) -> Current:
    """What is in the place of a dataset's manifest, damaged or not."""
    path = ObjectNames(folder, dataset).manifest
    content = bucket.read(path)
    found = _found(path, content)
    return Current(found.manifest if isinstance(found, VersionedManifest) else None, content)


def _found(path: ObjectPath, content: Content | None) -> Found:
    if content is None:
        return None
    try:
        return _parsed(path, content)
    except CorruptFileError as error:
        return error


def _parsed(path: ObjectPath, found: Content) -> VersionedManifest:
    try:
        text = found.content.decode()
    except UnicodeDecodeError as error:
        raise CorruptFileError(
            f"{path} is not a manifest: {error}; the next `tt refresh`, or `tt doctor --repair`, rebuilds it"
        ) from error
    return VersionedManifest(Manifest.from_json(text, name=str(path)), found.version)


def _copies(folder: ObjectPath) -> ObjectPath:
    return folder / STATE_FOLDER / "manifests.json"


def _unsealed(content: bytes | None) -> dict[str, Any]:
    if content is None:
        return {}
    try:
        unsealed = unseal(content, by=_SEALED_BY)
        return {} if unsealed is None else dict(json.loads(unsealed))
    except ValueError:
        return {}
