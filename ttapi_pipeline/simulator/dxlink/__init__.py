# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""DXLink, the protocol of dxFeed, from the side of the server: messages, sessions without I/O, events, candles.

Put here: the messages for a DXLink client, and when they are sent. Not here: the prices in them (`market`), REST
(`rest`).
"""
