# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a user sees of a run, a symbol or a stream: tables, lines and screens.

Put here: how something looks, on a terminal and without one. Not here: options and exit codes (`commands`), charts
(`plots`), where the figures come from (`datasets`, `quote_recorder`).
"""
