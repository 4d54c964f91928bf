# SPDX-License-Identifier: MIT
"""DXLink: messages, protocol without I/O, connection, and what is collected over it; REST is in `client`."""
