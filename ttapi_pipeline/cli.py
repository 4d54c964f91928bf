# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The `tt` command as it begins and ends: `commands.program` does the rest. It imports nothing that takes time."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

_CLOSED_PIPE: Final = 128 + 13
"""As of a program that SIGPIPE has ended; Python ignores the signal, and Windows has none."""

_FAILED: Final = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: that of `program.main`, or 128 and the number of the signal."""
    _open_closed_streams()
    # What these import takes half a second, in which somebody may want to end it, too.
    try:
        from ttapi_pipeline.core.signals import ending_signals  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        return 130
    with ending_signals(is_process_ending=argv is None) as exit_code:
        try:
            from ttapi_pipeline.commands import program  # noqa: PLC0415 - see above

            return _run(program.main, argv)
        except KeyboardInterrupt as interrupt:
            # The terminal may be gone.
            with suppress(OSError):
                sys.stderr.write(f"{str(interrupt) or 'interrupted; stored data is as it was'}\n")
                sys.stderr.flush()
            return exit_code()


def _run(command: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None) -> int:
    """Run it, and write what is buffered. A reader that has gone, as of `| head -1`, is no error to speak of."""
    try:
        try:
            return command(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return _CLOSED_PIPE
    except OSError as error:
        if error.filename is not None or error.errno not in {errno.ENOSPC, errno.EIO, errno.EBADF}:
            raise
        _discard_output()
        sys.stderr.write(f"error: standard output cannot be written: {error.strerror}\n")
        return _FAILED


def _discard_output() -> None:
    """Have the interpreter write the rest of the buffer nowhere when it ends, where it would print a traceback."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_closed_streams() -> None:
    """Open what the caller has closed, as `>&-` does: the next file would take its place, and be written into."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for the rest of the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for the rest of the process


if __name__ == "__main__":
    sys.exit(main())
