# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The endpoints of the REST API: a module per family of routes, with the rows that it answers.

Put here: routes and the JSON of their answers. Not here: the figures (`market`), envelopes and value types (`wire`).
"""
