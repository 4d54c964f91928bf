# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A bucket on a server of this machine, for tests of what is stored in an object store."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count

import pytest

from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline_tests.support.slow_proxy import Traffic, slow_proxy

_NUMBERS = count(1)


@contextmanager
def object_server() -> Iterator[str]:
    """The address of a server without buckets, for the length of the block."""
    program = [sys.executable, "-m", "ttapi_pipeline_tests.support.object_server"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("the server has no output")
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def access_to(url: str) -> Mapping[str, str]:
    """The variables of a program that uses a server."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "canary-key",
        "AWS_SECRET_ACCESS_KEY": "canary-secret",
        "AWS_REGION": "us-east-1",
    }


def make_bucket(url: str) -> str:
    """Make a bucket of a name of its own."""
    name = f"tables-{next(_NUMBERS)}"
    request = urllib.request.Request(f"{url}/{name}", method="PUT")
    with urllib.request.urlopen(request):
        return name


@pytest.fixture(scope="session")
def store_url() -> Iterator[str]:
    """The address of a server that speaks S3."""
    with object_server() as url:
        yield url


@pytest.fixture
def prefix(store_url: str, monkeypatch: pytest.MonkeyPatch) -> ObjectPath:
    """A place for tables in an empty bucket, with the environment of a program that may use it."""
    for name, value in access_to(store_url).items():
        monkeypatch.setenv(name, value)
    return ObjectPath(make_bucket(store_url), "some/tables")


@pytest.fixture
def counted(store_url: str, prefix: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traffic]:
    """What goes between a test and `prefix`, whose answers come 30 ms later."""
    with slow_proxy(store_url) as traffic:
        monkeypatch.setenv("AWS_ENDPOINT_URL", traffic.url)
        yield traffic
