# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The REST API and OAuth2 of tastytrade as a server: the way of a request to its answer, and the wire format.

Put here: what holds for every request. Not here: single routes (`endpoints`), the figures in an answer (`market`), the
feed (`dxlink`).
"""
