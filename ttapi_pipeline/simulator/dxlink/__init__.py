# SPDX-License-Identifier: MIT
"""dxFeed's DXLink from the server's side: messages, sessions without I/O, market events, candle snapshots.

Put here: what a DXLink client is sent, and when. Not here: the prices in the events (`market`), REST (`rest`).
"""
