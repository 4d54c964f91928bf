# SPDX-License-Identifier: MIT
"""tastytrade's REST API and OAuth2 as a server: routes, wire format, and one module per family of endpoints.

Put here: what a request is answered with. Not here: the figures in the answer (`market`), the feed (`dxlink`).
"""
