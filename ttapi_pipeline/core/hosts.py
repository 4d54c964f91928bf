# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which machine a URL leads to, whether a WebSocket can be opened there, and who can read what is sent."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address, without port and brackets, is this machine and no other."""
    name = (host or "").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def can_be_read_on_the_way(url: str) -> bool:
    """Whether a URL is neither encrypted (https, wss) nor of this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return True
    return parts.scheme.lower() not in {"https", "wss"} and not is_loopback(host)


def websocket_fault(url: str) -> str | None:
    """Why a URL is no address of a WebSocket, in words; None when it is one."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its host or port cannot be read"
    if parts.scheme.lower() not in {"ws", "wss"}:
        return "it does not begin with wss:// or ws://"
    if not host or port == 0:
        return "it names no host" if not host else "its port is 0"
    return "it has a fragment" if parts.fragment else None


def public_part(url: str) -> str:
    """A URL without user, password, query and fragment, which may hold secrets."""
    address = url.partition("?")[0].partition("#")[0]
    scheme, separator, rest = address.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
