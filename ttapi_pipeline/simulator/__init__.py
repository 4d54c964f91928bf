# SPDX-License-Identifier: MIT
"""A local server that speaks tastytrade REST, OAuth2 and DXLink over a synthetic market; it imports `core` only."""
