# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Requests to a bucket, by `obstore`. Its errors become ours here. What the objects mean: the modules beside this one.

A bucket is never made. Objects appear whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ttapi_pipeline.core.errors import ConfigError, ConflictError, StorageError
from ttapi_pipeline.core.object_access import ObjectAccess
from ttapi_pipeline.storage.objects.errors import NO_PACKAGE, ObjectStoreError, object_error
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.outages import Patience, patience

if TYPE_CHECKING:
    from obstore.store import S3Store

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE: Final = 32
"""Requests in flight; an object store answers each in tens of milliseconds, whatever their number."""

_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What a listing says of an object.

    Attributes:
        path: Its name.
        bytes: Its size.
        version: Its ETag: another content, another ETag.
        written_at: When it was written, by the clock of the store; aware UTC.
    """

    path: ObjectPath
    bytes: int
    version: str
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Content:
    """What an object holds.

    Attributes:
        content: The bytes.
        version: The ETag of the object that holds them.
        written_at: When it was written, by the clock of the store; aware UTC.
    """

    content: bytes
    version: str
    written_at: datetime


def check_installed() -> None:
    """Raise StorageError when obstore is not installed; nothing is imported."""
    from importlib.util import find_spec  # noqa: PLC0415 - for data in an object store alone

    if find_spec("obstore") is None:
        raise StorageError(NO_PACKAGE)


def read(path: ObjectPath) -> Content | None:
    """The object; None when there is none of that name.

    Raises:
        StorageError: The store does not answer, or refuses.
    """
    import obstore  # noqa: PLC0415 - for data in an object store alone

    with _our_errors(path):
        try:
            found = obstore.get(_store(path), path.key)
            return Content(bytes(found.bytes()), _version(found.meta), found.meta["last_modified"])
        except FileNotFoundError as error:
            _refuse_missing_bucket(path, error)
            return None


def read_all(paths: Sequence[ObjectPath]) -> Mapping[ObjectPath, Content | None]:
    """As `read`, of several at the same time."""
    return dict(zip(paths, at_once(read, paths), strict=True))


def facts_of(path: ObjectPath) -> ObjectFacts | None:
    """Size and version of an object, without its content; None when there is none. Errors as of `read`."""
    import obstore  # noqa: PLC0415 - see `read`

    with _our_errors(path):
        try:
            return _facts(path, obstore.head(_store(path), path.key))
        except FileNotFoundError:
            # The answer to HEAD has no body that could say whether it is the bucket that is missing.
            return None


def write(path: ObjectPath, content: bytes | Path) -> str:
    """Put an object, whatever was there; a file is sent in parts. The version; errors as of `read`."""
    import obstore  # noqa: PLC0415 - see `read`

    with _our_errors(path):
        try:
            return _version(obstore.put(_store(path), path.key, content))
        except FileNotFoundError as error:
            # There is nothing but the bucket that can be missing; a local file is there, as its caller has made it.
            raise object_error(path, error) from error


def write_if(path: ObjectPath, content: bytes, version: str | None) -> str:
    """Put an object in place of exactly one version.

    Args:
        path: Which.
        content: The new content. It must differ from every other one that is put there, so that an answer which was
            lost on the way can be told from a lost race.
        version: What it replaces; None where there must be nothing.

    Returns:
        The new version.

    Raises:
        ConflictError: Another version is there.
        StorageError: As of `read`.
    """
    import obstore  # noqa: PLC0415 - see `read`
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError  # noqa: PLC0415 - see `read`

    store = _store(path)
    try:
        put = obstore.put(store, path.key, content, mode="create" if version is None else {"e_tag": version})
        return _version(put)
    except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
        # With If-Match, an object that is gone is a 404; so is a bucket.
        _refuse_missing_bucket(path, error)
        if (ours := _as_written(path, content)) is not None:
            return ours
        raise ConflictError(f"{path} was written by another program meanwhile") from error
    except BaseError as error:
        # Two writers at the same instant get 409 from Amazon; and an answer may have been lost.
        if (ours := _as_written(path, content)) is not None:
            return ours
        if "ConditionalRequestConflict" in str(error) or " 409" in str(error):
            raise ConflictError(f"{path} is being written by another program") from error
        raise object_error(path, error) from error


def change(path: ObjectPath, how: Callable[[bytes | None], bytes | None], *, attempts: int = 20) -> None:
    """Read, change and write a small object; after a lost race again, from what the other one wrote.

    Args:
        path: Which.
        how: Gets the content, None where there is none; gives the new one, None to remove the object.
        attempts: Races to lose before it is an error.

    Raises:
        ConflictError: So many races were lost.
        StorageError: As of `read`.
    """
    for attempt in range(1, attempts + 1):
        found = read(path)
        content = how(None if found is None else found.content)
        if content is None:
            if found is not None:
                remove([path])
            return
        if found is not None and found.content == content:
            return
        try:
            write_if(path, content, None if found is None else found.version)
            return
        except ConflictError:
            if attempt == attempts:
                raise


def listed(prefix: ObjectPath) -> Sequence[ObjectFacts]:
    """Every object whose name begins with the prefix and a slash. A request per thousand; errors as of `read`."""
    import obstore  # noqa: PLC0415 - see `read`

    with _our_errors(prefix):
        try:
            found = [
                each for page in obstore.list(_store(prefix), f"{prefix.key}/" if prefix.key else "") for each in page
            ]
        except FileNotFoundError as error:
            raise object_error(prefix, error) from error
    return [_facts(ObjectPath(prefix.bucket, each["path"]), each) for each in found]


def listed_beside(prefix: ObjectPath) -> Sequence[ObjectFacts]:
    """The objects directly below a prefix, without those below a further slash. Errors as of `read`."""
    import obstore  # noqa: PLC0415 - see `read`

    with _our_errors(prefix):
        try:
            found = obstore.list_with_delimiter(_store(prefix), prefix.key)
        except FileNotFoundError as error:
            raise object_error(prefix, error) from error
    return [_facts(ObjectPath(prefix.bucket, each["path"]), each) for each in found["objects"]]


def copy(source: ObjectPath, target: ObjectPath) -> bool:
    """Have the store copy an object; False when it is not there. Errors as of `read`."""
    import obstore  # noqa: PLC0415 - see `read`

    with _our_errors(target):
        try:
            obstore.copy(_store(source), source.key, target.key)
        except FileNotFoundError:
            return False
    return True


def remove(paths: Sequence[ObjectPath]) -> None:
    """Remove objects; one that is gone is no error. Errors as of `read`."""
    import obstore  # noqa: PLC0415 - see `read`

    if not paths:
        return
    with _our_errors(paths[0]):
        try:
            obstore.delete(_store(paths[0]), [each.key for each in paths])
        except FileNotFoundError:
            return


def read_end(path: ObjectPath, size: int, most: int) -> bytes:
    """The last bytes of an object of a known size; errors as of `read`."""
    import obstore  # noqa: PLC0415 - see `read`

    start = max(0, size - most)
    with _our_errors(path):
        try:
            return bytes(obstore.get_range(_store(path), path.key, start=start, end=size)) if size else b""
        except FileNotFoundError:
            return b""


def download(path: ObjectPath, target: Path) -> bool:
    """Write an object to a local file, piece by piece; False when it is not there. Errors as of `read`, and OSError."""
    import obstore  # noqa: PLC0415 - see `read`

    with _our_errors(path):
        try:
            found = obstore.get(_store(path), path.key)
        except FileNotFoundError:
            return False
        with target.open("wb") as file:
            for chunk in found.stream():
                file.write(chunk)
    return True


def at_once(work: Callable[[T], R], subjects: Sequence[T]) -> list[R]:
    """Do the same for several subjects at the same time; the first error ends it."""
    if len(subjects) < 2:
        return [work(each) for each in subjects]
    with ThreadPoolExecutor(min(_AT_ONCE, len(subjects)), thread_name_prefix="objects") as threads:
        return list(threads.map(work, subjects))


def reading_options(path: ObjectPath) -> dict[str, str | int]:
    """What Polars has to be told to read an object; ConfigError as of `ObjectAccess`."""
    tried = patience()
    return {
        **_access(path).options(),
        "max_retries": tried.times,
        "retry_timeout_ms": _milliseconds(tried.within),
        "retry_init_backoff_ms": _milliseconds(tried.first_pause),
        "retry_max_backoff_ms": _milliseconds(tried.longest_pause),
    }


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _as_written(path: ObjectPath, content: bytes) -> str | None:
    """The version that is there, if its content is this one: our own request was carried out, and its answer lost."""
    try:
        there = read(path)
    except StorageError:
        return None
    return there.version if there is not None and there.content == content else None


def _access(path: ObjectPath) -> ObjectAccess:
    try:
        return ObjectAccess.from_environment()
    except ConfigError as error:
        raise StorageError(f"TT_DATA_DIR s3://{path.bucket}: {error}") from error


def _store(path: ObjectPath) -> S3Store:
    return _store_of(path.bucket, _access(path), patience())


@lru_cache(maxsize=8)
def _store_of(bucket: str, access: ObjectAccess, tried: Patience) -> S3Store:
    from obstore.store import S3Store  # noqa: PLC0415 - see `read`

    config: dict[str, Any] = access.options()
    config.pop("aws_allow_http", None)
    return S3Store(
        bucket,
        config=config,  # type: ignore[arg-type] # the names of object_store are accepted, and spelled otherwise there
        client_options={
            "allow_http": access.is_plain,
            "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
            "timeout": timedelta(seconds=_ANSWER_SECONDS),
        },
        # Without a key, a machine that may have a role is asked for one; most have none, and do not answer.
        retry_config={
            "max_retries": tried.times if access.key else 1,
            "retry_timeout": tried.within,
            "backoff": {"init_backoff": tried.first_pause, "max_backoff": tried.longest_pause, "base": 2},
        },
    )


@contextmanager
def _our_errors(path: ObjectPath) -> Iterator[None]:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - see `read`

    try:
        yield
    except BaseError as error:
        raise object_error(path, error) from error
    except ValueError as error:
        raise object_error(path, error) from error


def _refuse_missing_bucket(path: ObjectPath, error: Exception) -> None:
    if "NoSuchBucket" in str(error):
        raise object_error(path, error) from error


def _version(meta: Mapping[str, Any]) -> str:
    version = meta["e_tag"]
    if not version:
        raise ObjectStoreError("the object store gives no ETags, and without them writers cannot be kept apart")
    return str(version)


def _facts(path: ObjectPath, meta: Mapping[str, Any]) -> ObjectFacts:
    return ObjectFacts(path, int(meta["size"]), _version(meta), meta["last_modified"])
