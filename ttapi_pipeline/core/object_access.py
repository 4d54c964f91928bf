# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How an object store is reached: the variables that every program of Amazon's reads. Requests: `storage.objects`.

`obstore` and Polars read the same variables themselves. Here is what both have to be told alike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from ttapi_pipeline.core.errors import ConfigError

ENDPOINT: Final = "AWS_ENDPOINT_URL"
ALLOW_HTTP: Final = "AWS_ALLOW_HTTP"

_DEFAULT_REGION: Final = "us-east-1"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class ObjectAccess:
    """Where the buckets are, and who asks for them.

    Attributes:
        endpoint: URL of the server; None for Amazon's own.
        region: Of the bucket.
        key: Id of the access key; None where the machine has a role.
        secret: Of the access key.
        session: Token of a key that expires.
        is_plain: Whether requests may go without encryption.
    """

    endpoint: str | None
    region: str
    key: str | None = field(repr=False)
    secret: str | None = field(repr=False)
    session: str | None = field(repr=False)
    is_plain: bool

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> ObjectAccess:
        """Read the variables AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION or AWS_DEFAULT_REGION, and of keys.

        Raises:
            ConfigError: The endpoint is no URL, or is on another machine and not encrypted.
        """
        given = os.environ if environ is None else environ
        endpoint = given.get(f"{ENDPOINT}_S3") or given.get(ENDPOINT) or None
        is_plain = False
        if endpoint is not None:
            parts = urlsplit(endpoint)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ConfigError(f"{ENDPOINT} is not the URL of a server; it accepts https://host or http://127.0.0.1")
            is_plain = parts.scheme == "http"
            is_allowed = parts.hostname in _LOOPBACK or given.get(ALLOW_HTTP, "").lower() in {"1", "true"}
            if is_plain and not is_allowed:
                raise ConfigError(
                    f"{ENDPOINT} is http://{parts.hostname}: keys would go to another machine without encryption; it "
                    f"has to be https, unless {ALLOW_HTTP}=true lets everybody on the way read them"
                )
        return cls(
            endpoint=endpoint,
            region=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or _DEFAULT_REGION,
            key=given.get("AWS_ACCESS_KEY_ID") or None,
            secret=given.get("AWS_SECRET_ACCESS_KEY") or None,
            session=given.get("AWS_SESSION_TOKEN") or None,
            is_plain=is_plain,
        )

    def options(self) -> dict[str, str]:
        """The same by the names that the Rust library object_store gives them, for obstore and Polars alike."""
        named = {
            "aws_endpoint_url": self.endpoint,
            "aws_region": self.region,
            "aws_access_key_id": self.key,
            "aws_secret_access_key": self.secret,
            "aws_session_token": self.session,
            "aws_allow_http": "true" if self.is_plain else None,
        }
        return {name: value for name, value in named.items() if value is not None}

    @property
    def server(self) -> str:
        """The server, for messages."""
        return self.endpoint or f"Amazon S3 in {self.region}"
