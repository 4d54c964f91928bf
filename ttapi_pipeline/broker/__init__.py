# SPDX-License-Identifier: MIT
"""Opens what speaks to the broker: REST clients, DXLink links, and the simulator where the settings name it.

Put here: what decides which server is spoken to, and what its clients share. Not here: how to speak (`client`,
`streaming`), what is asked for (`datasets`).
"""
