# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The datasets as Dagster assets: how they are declared to Dagster, and what one execution does.

Put here: making an asset from a declaration, reusing or building it, and the metadata that the web UI shows of it. Not
here: when it is due (`automation`), how it is built (`datasets`), where it is stored (`io_manager`).
"""
