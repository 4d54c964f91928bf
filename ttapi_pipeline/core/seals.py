# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Seals: a checksum, and the name of the code that wrote, around what a program keeps for itself.

A cache is a guess. It is believed when its seal fits, and dropped when one bit of it differs or other code wrote it. A
seal detects damage and is not meant against forgery.

Put here: the seal itself. Not here: which files are sealed, and what happens without them; their modules say that.
Folders of large files: see `storage.sealed_folder`. The Parquet files of datasets carry no seal, because manifests have
their hashes: see `storage.verification`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

CHECKSUM: Final = "checksum"
"""Key of the checksum in a document that carries its own."""

_MARK: Final = b"sealed "


def seal(content: bytes, *, by: str) -> bytes:
    """The content behind a line with its checksum and `by`, a name without a line end of the code that writes it."""
    maker = by.encode()
    return _MARK + _digest(maker, content).encode() + b" " + maker + b"\n" + content


def unseal(sealed: bytes, *, by: str) -> bytes | None:
    """The content; None when any bit differs from what was sealed, or other code sealed it."""
    head, _, content = sealed.partition(b"\n")
    maker = by.encode()
    return content if head == _MARK + _digest(maker, content).encode() + b" " + maker else None


def with_checksum(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document for JSON with the checksum of its other values as its last one."""
    plain = {key: value for key, value in document.items() if key != CHECKSUM}
    return {**plain, CHECKSUM: _checksum(plain)}


def check_document(document: Mapping[str, Any], *, keys_without: Collection[str]) -> None:
    """Compare a document that was read with the checksum in it.

    Args:
        document: As `with_checksum` gave it, or older than checksums.
        keys_without: The keys of a document from before there were checksums. With another key, it has lost its own.

    Raises:
        ValueError: A value differs from what was written.
    """
    if CHECKSUM not in document:
        unknown = set(document) - set(keys_without)
        if unknown:
            raise ValueError(f"it has no checksum, and the key {min(unknown)!r} is unknown")
        return
    plain = {key: value for key, value in document.items() if key != CHECKSUM}
    if document[CHECKSUM] != _checksum(plain):
        raise ValueError("its values have another checksum than was written")


def sealed_document(content: object, *, by: str) -> str:
    """A JSON document, to be read by people too, with `content` (plain values), `by` and a checksum."""
    return json.dumps(with_checksum({"written_by": by, "content": content}), indent=2) + "\n"


def unsealed_document(text: str | bytes, *, by: str) -> Any:
    """The content of a document that `sealed_document` made.

    Raises:
        ValueError: It is none, differs from its checksum, or other code wrote it.
    """
    document = json.loads(text)
    if not isinstance(document, dict) or set(document) != {"written_by", "content", CHECKSUM}:
        raise ValueError("it has no seal")
    check_document(document, keys_without=())
    if document["written_by"] != by:
        raise ValueError(f"{document['written_by']!r} wrote it, and {by!r} reads it")
    return document["content"]


def _checksum(plain: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16).hexdigest()


def _digest(maker: bytes, content: bytes) -> str:
    digest = hashlib.blake2b(maker + b"\n", digest_size=16)
    digest.update(content)
    return digest.hexdigest()
