# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A local server that speaks tastytrade REST, OAuth2 and DXLink over a synthetic market.

Put here: the market, the two interfaces to it, their faults, and the program that runs them. Not here: anything that
the pipeline uses to talk to a broker. This room imports `core` alone and spells out the wire formats for itself: a
mistake in a parser that it shared with the client would agree with itself.
"""
