# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A budget per test: the end of a run names the tests that took longer, most expensive first. It fails nothing."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest

BUDGET_SECONDS: Final = 2.0
"""Set-up and call of one test. What a test is the first to need of a shared fixture counts as its own set-up."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tests over the budget; under xdist the reports of all workers are here as well."""
    spent: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            is_counted = isinstance(report, pytest.TestReport) and report.when in {"setup", "call"}
            # Those that `make soak` runs have hours.
            if is_counted and "soak" not in report.keywords:
                spent[report.nodeid] += report.duration
    over = [(test, seconds) for test, seconds in spent.most_common() if seconds > BUDGET_SECONDS]
    if over:
        terminalreporter.section(f"{len(over)} of {len(spent)} tests took more than {BUDGET_SECONDS:g} s")
        for test, seconds in over:
            terminalreporter.write_line(f"{seconds:7.2f} s  {test}")
