# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Small files in an object store that processes on several machines change; see `core.shared_state`.

A change is a conditional PUT, so that none is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.location import ObjectPath


@dataclass(frozen=True, slots=True)
class ObjectStateFile:
    """See `core.shared_state.StateFile`; StorageError when the store does not answer, or refuses."""

    path: ObjectPath

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> bytes | None:
        found = bucket.read(self.path)
        return None if found is None else found.content

    def change(self, how: Callable[[bytes | None], bytes | None]) -> None:
        bucket.change(self.path, how)


@dataclass(frozen=True, slots=True)
class ObjectStateFolder:
    """See `core.shared_state.StateFolder`."""

    path: ObjectPath

    def file(self, name: str) -> ObjectStateFile:
        return ObjectStateFile(self.path / name)
