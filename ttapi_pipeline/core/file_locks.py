# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Locks on open files, which the system drops with their process; a system without them, Windows, says so by OSError.

The lock of a dataset's writer works everywhere: see `storage.lock`.
"""

from __future__ import annotations

import errno

try:
    import fcntl
except ImportError:
    _HAS_LOCKS = False
else:
    _HAS_LOCKS = True


def lock_shared(descriptor: int) -> None:
    """Wait until nobody has the file exclusively, and share it; OSError where there are no locks."""
    _flock(descriptor, "LOCK_SH")


def lock_exclusively(descriptor: int, *, is_waiting: bool) -> None:
    """Have the file exclusively.

    Args:
        descriptor: Of the open file.
        is_waiting: Whether to wait until others let go of it.

    Raises:
        BlockingIOError: Others have it, and this does not wait.
        OSError: There are no locks.
    """
    _flock(descriptor, "LOCK_EX", *([] if is_waiting else ["LOCK_NB"]))


def _flock(descriptor: int, *flags: str) -> None:
    if not _HAS_LOCKS:
        raise OSError(errno.ENOLCK, "this system has no locks on open files")
    fcntl.flock(descriptor, sum(getattr(fcntl, flag) for flag in flags))
