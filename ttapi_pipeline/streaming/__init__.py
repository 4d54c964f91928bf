# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""DXLink, the broker's market data feed: messages, the protocol without I/O, connections, candles, quotes and sales.

Put here: whatever sends or receives DXLink messages, and the columns that come out of them. Not here: REST (`client`),
the choice of a server (`broker`), rows and files (`datasets`, `quote_recorder`).
"""
