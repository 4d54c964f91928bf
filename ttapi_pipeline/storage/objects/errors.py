# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What the Rust library object_store says of a failed request, as one sentence of ours with the way out.

The library is below obstore and below Polars, and both give its words. It tells kinds of failures apart by text alone.
"""

from __future__ import annotations

import re
from typing import Final, TypeGuard

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.object_access import ENDPOINT, ObjectAccess
from ttapi_pipeline.storage.objects.location import ObjectPath

NO_PACKAGE: Final = "data in an object store needs the package obstore: pip install 'ttapi-pipeline[s3]'"

OF_OBJECT_STORE: Final = "Error performing "
"""In every sentence of the library about a request."""

_CODE: Final = re.compile(r"<Code>([A-Za-z]+)</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3}[^:<]{0,40})")
_ROLE: Final = ("169.254.169.254", "169.254.170.2", "InvalidGetInstanceMetadata")
"""Addresses that a machine of Amazon's asks for the credentials of its role."""
_KEYS: Final = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
)
_NO_ANSWER: Final = (
    "error sending request",
    "HTTP error",
    "error trying to connect",
    "operation timed out",
    "dns error",
)
_TRIED_LONGER: Final = "; try again later"


class ObjectStoreError(StorageError):
    """An object store did not answer, or refused."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


def is_object(path: object) -> TypeGuard[ObjectPath]:
    """Whether a path is one of an object store."""
    return isinstance(path, ObjectPath)


def object_error(path: ObjectPath, error: Exception) -> ObjectStoreError:
    """The sentence for a request about an object that failed; it holds no key and no address of a signed request."""
    told, access = str(error), ObjectAccess.from_environment()
    code = found[1] if (found := _CODE.search(told)) else ""
    if any(each in told for each in _ROLE):
        return ObjectStoreError(
            f"{path}: there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine "
            "a role that may use the bucket"
        )
    if code == "NoSuchBucket":
        return ObjectStoreError(
            f"{path}: {access.server} has no bucket {path.bucket}; correct TT_DATA_DIR, or make the bucket: this "
            "program makes none"
        )
    if code in _KEYS or "403" in (_STATUS.search(told) or [""])[0]:
        return ObjectStoreError(
            f"{path}: {access.server} refuses the access ({code or 'HTTP 403'}); check AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and the rights on the bucket: reading, writing, listing, deleting"
        )
    status = found[1].strip() if (found := _STATUS.search(told)) else ""
    if status:
        words = f"{path}: {access.server} answered HTTP {status}{f' ({code})' if code else ''}"
        is_passing = status[:1] == "5" or status[:3] == "429"
        return ObjectStoreError(words + (_TRIED_LONGER if is_passing else ""), retryable=is_passing)
    if any(each in told for each in _NO_ANSWER):
        return ObjectStoreError(
            f"{path}: no answer from {access.server}; check {ENDPOINT}, AWS_REGION and the network", retryable=True
        )
    return ObjectStoreError(f"{path}: {told.strip().splitlines()[0] if told.strip() else type(error).__name__}")
