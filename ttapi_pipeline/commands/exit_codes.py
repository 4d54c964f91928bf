# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The exit codes of `tt`."""

from __future__ import annotations

from typing import Final

OK: Final = 0
"""Everything that was asked for is fresh and complete."""

WRONG_USAGE: Final = 2
"""Wrong arguments or settings, as argparse has it."""

INCOMPLETE: Final = 3
"""It worked, but rows are missing, or stale data was kept."""

FAILED: Final = 4
