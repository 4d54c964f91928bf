# SPDX-License-Identifier: MIT
"""Settings of every test."""

from __future__ import annotations

from hypothesis import settings

# The machines that run the tests are noisy: how long an example takes says nothing.
settings.register_profile("pipeline", deadline=None)
settings.load_profile("pipeline")

pytest_plugins = ["ttapi_pipeline_tests.support.budget", "ttapi_pipeline_tests.support.marks"]
