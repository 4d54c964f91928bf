# SPDX-License-Identifier: MIT
"""The `tt` command as it begins and ends: `commands.program` does the rest. It imports nothing that takes time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: that of `program.main`, or 128 and the number of the signal."""
    # What these import takes half a second, in which somebody may want to end it, too.
    try:
        from ttapi_pipeline.core.signals import ending_signals  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        return 130
    with ending_signals(is_process_ending=argv is None) as exit_code:
        try:
            from ttapi_pipeline.commands import program  # noqa: PLC0415 - see above

            return program.main(argv)
        except KeyboardInterrupt as interrupt:
            # The terminal may be gone.
            with suppress(OSError):
                sys.stderr.write(f"{str(interrupt) or 'interrupted; stored data is as it was'}\n")
                sys.stderr.flush()
            return exit_code()


if __name__ == "__main__":
    sys.exit(main())
