# SPDX-License-Identifier: MIT
"""The service behind `tt stream`: what it subscribes to, the log that it writes, and the history that is made of it.

Put here: what turns a feed into stored quotes and trades. Not here: the feed itself (`streaming`), how it looks on a
terminal (`terminal`), partitions of the history in Dagster (`defs.quote_history.asset`).
"""
