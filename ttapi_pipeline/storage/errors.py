# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Errors of the operating system and of Polars as our own, with the file and the way out.

Standard library only, since `tt status` imports it; Polars is imported in a block that can raise its errors.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.core.errors import CorruptFileError, StorageError, TTError
from ttapi_pipeline.storage.objects.errors import OF_OBJECT_STORE, is_object, object_error

if TYPE_CHECKING:
    from ttapi_pipeline.storage.layout import Folder

_OS_ERROR: Final = re.compile(r"\(os error (\d+)\)")
_END_REFUSED: Final = "Invalid thrift: transport error"
_CHECK_THE_FOLDER: Final = "check the folder, or set TT_DATA_DIR to another one"
_FREE_SPACE: Final = "free some space, or set TT_DATA_DIR to another disk"
_ALLOW_WRITING: Final = "give this user the right to read and write there, or set TT_DATA_DIR to another folder"
_NOT_A_FOLDER: Final = "a file is where the data folder should be: move it, or set TT_DATA_DIR to a folder"
_WAYS_OUT_OF_A_FOLDER: Final = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: _FREE_SPACE,
    errno.EACCES: _ALLOW_WRITING,
    errno.EPERM: _ALLOW_WRITING,
    errno.EROFS: _ALLOW_WRITING,
    errno.ENOTDIR: _NOT_A_FOLDER,
    errno.EEXIST: _NOT_A_FOLDER,
}
_OTHER_DISK: Final = "free some space, or name a file on another disk with {option}"
_WRITABLE: Final = "give this user the right to write there, or name another file with {option}"
_WAYS_OUT_OF_A_FILE: Final = {
    errno.ENOSPC: _OTHER_DISK,
    errno.EDQUOT: _OTHER_DISK,
    errno.EFBIG: _OTHER_DISK,
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
    errno.EROFS: _WRITABLE,
}


def storage_error(path: Folder, error: OSError, *, option: str = "") -> StorageError:
    """An error of the operating system in our words: the file, what is wrong with it, and the way out.

    Args:
        path: The file or folder.
        error: What the system said.
        option: The option of a command that names the file; empty for a file of the data folder.
    """
    if error.errno is None:
        error = os_error_in(error) or error
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(f"{path}: {reason}; {_way_out(error.errno or 0, option)}")


def _way_out(number: int, option: str) -> str:
    if not option:
        return _WAYS_OUT_OF_A_FOLDER.get(number, _CHECK_THE_FOLDER)
    return _WAYS_OUT_OF_A_FILE.get(number, "name another file with {option}").format(option=option)


def _of_the_system(path: Folder, error: OSError, option: str) -> StorageError:
    """The sentence for an OSError, which Polars also raises for a request to an object store that failed."""
    if is_object(path) and error.errno is None:
        return object_error(path, error)
    return storage_error(path, error, option=option)


def os_error_in(error: Exception) -> OSError | None:
    """The system's error that a library (Polars) has put into words, such as ``… (os error 28)``; None without one."""
    found = _OS_ERROR.search(str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


@contextmanager
def storage_errors(
    path: Folder,
    *,
    of_polars: Callable[[Exception], TTError] | None = None,
    is_writing: bool = False,
    option: str = "",
) -> Iterator[None]:
    """Raise our errors in place of the system's and of Polars' inside of a block that reads or writes a file.

    Args:
        path: The file or folder that the message names.
        of_polars: Makes the error for a complaint of Polars that does not come from the operating system; by default a
            CorruptFileError.
        is_writing: Whether a Parquet file is written in the block. Polars does not say why it could not write the end
            of one, and says the same of the end of a file that it reads.
        option: See `storage_error`.
    """
    import polars as pl  # noqa: PLC0415 - see the module's docstring

    try:
        yield
    except OSError as error:
        raise _of_the_system(path, error, option) from error
    except pl.exceptions.PolarsError as error:
        if is_object(path) and OF_OBJECT_STORE in str(error):
            raise object_error(path, error) from error
        # The Parquet writer wraps the system's error in one of its own.
        if os_error := os_error_in(error):
            raise storage_error(path, os_error, option=option) from error
        if is_writing and _END_REFUSED in str(error):
            full = _way_out(errno.ENOSPC, option)
            raise StorageError(f"{path}: the end of the file could not be written; {full}") from error
        ours = CorruptFileError(f"{path}: a file cannot be read: {error}") if of_polars is None else of_polars(error)
        raise ours from error
