# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The error tree, spelled out."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime

import pytest

from ttapi_pipeline.core import errors

TREE = {
    "TTError": {"ConfigError", "ApiError", "StreamError", "DataError", "StorageError"},
    "ConfigError": {"MissingEnvVarError", "InvalidValueError"},
    "ApiError": {
        "HttpError",
        "AuthError",
        "RateLimitError",
        "ApiTimeoutError",
        "TransportError",
        "PayloadError",
        "CircuitOpenError",
    },
    "StreamError": {"StreamClosedError", "ProtocolError"},
    "DataError": {"InvalidFormatError", "MissingColumnError", "ParseError", "CoverageError"},
    "StorageError": {"LockTimeoutError", "ConflictError", "CorruptFileError"},
}
RETRYABLE = {
    "RateLimitError",
    "ApiTimeoutError",
    "TransportError",
    "CircuitOpenError",
    "StreamClosedError",
    "LockTimeoutError",
    "ConflictError",
}


def classes() -> list[type[errors.TTError]]:
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.TTError)]
    return [kind for kind in found if kind.__module__ == errors.__name__]


def test_the_tree_is_the_documented_one() -> None:
    parents = {kind.__name__: kind.__base__.__name__ for kind in classes() if kind.__base__ is not None}
    documented = {child: parent for parent, children in TREE.items() for child in children}
    assert parents == documented | {"TTError": "Exception"}


def test_only_what_may_pass_by_itself_is_retryable() -> None:
    assert {kind.__name__ for kind in classes() if kind.retryable} == RETRYABLE


@pytest.mark.parametrize(
    ("status", "is_retryable"), [(400, False), (401, False), (404, False), (429, True), (500, True), (503, True)]
)
def test_an_http_error_is_retryable_by_its_status(status: int, is_retryable: bool) -> None:
    error = errors.HttpError(status, "no such symbol", subject="GET /instruments")
    assert str(error) == f"GET /instruments: HTTP {status}, no such symbol"
    assert (error.status, error.message, error.retryable) == (status, "no such symbol", is_retryable)
    assert errors.HttpError.retryable is False


def test_facts_are_attributes() -> None:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    assert errors.AuthError("refused", retry_at=moment).retry_at == moment
    assert errors.AuthError("refused").retry_at is None
    assert errors.RateLimitError("slow down", retry_after=7.0).retry_after == 7.0
    assert errors.CircuitOpenError("open", retry_at=moment).retry_at == moment
    assert errors.CoverageError("too few", missing={"A": "404"}, coverage=0.5).missing == {"A": "404"}
    assert errors.MissingEnvVarError("TT_X", "it is needed").variable == "TT_X"
    invalid = errors.InvalidValueError("TT_X", "y", "a number")
    assert (invalid.variable, invalid.value) == ("TT_X", "y")
    assert str(invalid) == "TT_X is 'y'; it accepts a number"
