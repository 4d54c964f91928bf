# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One module per dataset: collect from outside, then process into a frame; knows no Dagster."""
