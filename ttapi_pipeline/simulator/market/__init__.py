# SPDX-License-Identifier: MIT
"""The synthetic market: prices, options, accounts and files as pure functions of a seed, a symbol and a time.

Put here: what the market holds. Not here: how it is written on the wire (`rest`, `dxlink`), faults.
"""
