# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How many examples a property test tries: a share of them in every run, all in `make soak`."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import is_hypothesis_test, settings

QUICK_SHARE: Final = 5
"""Every run tries one in this many of a property's examples. Hypothesis draws others the next time."""
FEWEST: Final = 10
"""Below this, a property is hardly tried at all."""

# The machines that run the tests are noisy: how long an example takes says nothing.
settings.register_profile("quick", deadline=None, max_examples=FEWEST * 2)
settings.register_profile("soak", deadline=None, max_examples=100)


def examples(full: int) -> int:
    """For `max_examples` of a property whose whole number is `full`."""
    if settings.get_current_profile_name() == "soak":
        return full
    return min(full, max(FEWEST, full // QUICK_SHARE))


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile before any module of tests calls `examples`."""
    settings.load_profile("soak" if _is_soak(config) else "quick")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let ``-m soak`` select the property tests too, before pytest deselects what does not carry the mark."""
    if _is_soak(config):
        for item in items:
            if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
                item.add_marker(pytest.mark.soak)


def _is_soak(config: pytest.Config) -> bool:
    return str(config.getoption("markexpr")).strip() == "soak"
