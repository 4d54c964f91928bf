# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The service behind `tt stream`: its symbols, the log that it writes, and the history that is made of the log.

Put here: whatever turns a feed into stored quotes and trades. Not here: the feed itself (`streaming`), its looks on a
terminal (`terminal`), partitions of the history in Dagster (`defs.quote_history`).
"""
