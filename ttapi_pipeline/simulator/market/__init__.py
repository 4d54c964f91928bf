# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The synthetic market: prices, options, accounts and files as pure functions of a seed, a symbol and a time.

Put here: figures of the market. Not here: the way they are written on the wire (`rest`, `dxlink`), faults.
"""
