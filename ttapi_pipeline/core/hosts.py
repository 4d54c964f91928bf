# SPDX-License-Identifier: MIT
"""Whether a host is this machine, and whether what is sent to a URL can be read on the way."""

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
