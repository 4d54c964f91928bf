# SPDX-License-Identifier: MIT
"""The datasets as Dagster assets: how they are declared to Dagster, and what one execution does.

Put here: what turns a declaration into an asset, reuses or builds it, and what the web UI shows of it. Not here:
when it is due (`automation`), how it is built (`datasets`), where it is stored (`io_manager`).
"""
