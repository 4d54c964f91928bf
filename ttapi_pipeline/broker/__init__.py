# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Opens REST clients and DXLink links, and starts the simulator where the settings ask for it.

Put here: which server is spoken to, and what the clients of one run share. Not here: how to speak to it (`client`,
`streaming`), and what to ask (`datasets`, `quote_recorder`).
"""
