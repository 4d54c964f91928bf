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
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.core.errors import CorruptFileError, StorageError, TTError

if TYPE_CHECKING:
    from upath import UPath

_OS_ERROR: Final = re.compile(r"\(os error (\d+)\)")
_END_REFUSED: Final = "Invalid thrift: transport error"
_CHECK_THE_FOLDER: Final = "check the folder, or set TT_DATA_DIR to another one"
_FREE_SPACE: Final = "free some space, or set TT_DATA_DIR to another disk"
_ALLOW_WRITING: Final = "give this user the right to read and write there, or set TT_DATA_DIR to another folder"
_NOT_A_FOLDER: Final = "a file is where the data folder should be: move it, or set TT_DATA_DIR to a folder"
_WAYS_OUT: Final = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: _FREE_SPACE,
    errno.EACCES: _ALLOW_WRITING,
    errno.EPERM: _ALLOW_WRITING,
    errno.EROFS: _ALLOW_WRITING,
    errno.ENOTDIR: _NOT_A_FOLDER,
    errno.EEXIST: _NOT_A_FOLDER,
}


def storage_error(path: Path | UPath, error: OSError) -> StorageError:
    """An error of the operating system in our words: the file, what is wrong with it, and the way out."""
    if error.errno is None:
        error = os_error_in(error) or error
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(f"{path}: {reason}; {_WAYS_OUT.get(error.errno or 0, _CHECK_THE_FOLDER)}")


def os_error_in(error: Exception) -> OSError | None:
    """The system's error that a library (Polars) has put into words, such as ``… (os error 28)``; None without one."""
    found = _OS_ERROR.search(str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


@contextmanager
def storage_errors(
    path: Path | UPath, *, of_polars: Callable[[Exception], TTError] | None = None, is_writing: bool = False
) -> Iterator[None]:
    """Raise our errors in place of the system's and of Polars' inside of a block that reads or writes a file.

    Args:
        path: The file or folder that the message names.
        of_polars: Makes the error for a complaint of Polars that does not come from the operating system; by default a
            CorruptFileError.
        is_writing: Whether a Parquet file is written in the block. Polars does not say why it could not write the end
            of one, and says the same of the end of a file that it reads.
    """
    import polars as pl  # noqa: PLC0415 - see the module's docstring

    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error
    except pl.exceptions.PolarsError as error:
        # The Parquet writer wraps the system's error in one of its own.
        if os_error := os_error_in(error):
            raise storage_error(path, os_error) from error
        if is_writing and _END_REFUSED in str(error):
            raise StorageError(f"{path}: the end of the file could not be written; {_FREE_SPACE}") from error
        ours = CorruptFileError(f"{path}: a file cannot be read: {error}") if of_polars is None else of_polars(error)
        raise ours from error
