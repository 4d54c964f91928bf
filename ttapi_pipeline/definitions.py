# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The code location: what `dagster dev`, `dagster asset materialize` and the web UI load."""

from ttapi_pipeline.core.logs import configure_logging
from ttapi_pipeline.core.places import find_home
from ttapi_pipeline.datasets.registry import load_settings_of
from ttapi_pipeline.defs.assembly import build_definitions

settings = load_settings_of(find_home())
configure_logging(settings)
defs = build_definitions(settings)
