# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`python -m ttapi_pipeline.simulator`: the local exchange as a program."""

from __future__ import annotations

import sys

from ttapi_pipeline.simulator.program import main

if __name__ == "__main__":
    sys.exit(main())
