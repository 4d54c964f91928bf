# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The name of an object, or of a prefix of objects. Standard library only, since every command makes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

SCHEME: Final = "s3://"


@dataclass(frozen=True, slots=True, order=True)
class ObjectPath:
    """An object, or the beginning of the names of several: ``path / "x"`` goes on behind a slash, as with folders.

    Attributes:
        bucket: Name of the bucket.
        key: Name in the bucket, without slashes at its ends; empty for the bucket itself.
    """

    bucket: str
    key: str

    @classmethod
    def of(cls, url: str) -> Self:
        """The path of a URL such as ``s3://bucket/prefix``.

        Raises:
            ValueError: It has no bucket, or is of another scheme.
        """
        if not url.startswith(SCHEME):
            raise ValueError("it does not begin with s3://")
        bucket, _, key = url.removeprefix(SCHEME).partition("/")
        if not bucket:
            raise ValueError("it names no bucket")
        return cls(bucket, key.strip("/"))

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}" if self.key else f"{SCHEME}{self.bucket}"

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self.bucket, f"{self.key}/{name}" if self.key else name)

    def absolute(self) -> ObjectPath:
        """The same: a name does not depend on a current folder."""
        return self

    @property
    def name(self) -> str:
        """What is behind the last slash."""
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its last ending."""
        return self.name.rpartition(".")[0] or self.name

    @property
    def parent(self) -> ObjectPath:
        """What is before the last slash."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])
