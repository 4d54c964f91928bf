# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The error tree: one class for each thing that a caller would do differently.

For anything that the outside world can cause, public functions raise these errors and no others. A message names the
subject, the observation and the way out, and never holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ttapi_pipeline.core.lines import one_line


class TTError(Exception):
    """Base of every error that the outside world can cause.

    Its message is one line, whatever a server or a file name has put into it: see `lines`.
    """

    retryable: bool = False
    """True when the same call may succeed later although nothing is changed."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(one_line(each) if isinstance(each, str) else each for each in args))


class ConfigError(TTError):
    """The settings cannot be used."""


class MissingEnvVarError(ConfigError):
    """A setting that is needed is not set."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(f"{variable} is not set: {message}")
        self.variable = variable


class InvalidValueError(ConfigError):
    """A setting has a value that cannot be used; the message says what it accepts."""

    def __init__(self, variable: str, value: str, accepts: str) -> None:
        super().__init__(f"{variable} is {value!r}; it accepts {accepts}")
        self.variable = variable
        self.value = value


class ApiError(TTError):
    """A REST request failed.

    Attributes:
        is_of_load: Whether it failed since more requests were in flight than the server could answer.
    """

    is_of_load: bool = False


class HttpError(ApiError):
    """The server answered with an error status.

    Attributes:
        status: The HTTP status.
        message: The server's text, without markup.
        retry_after: Seconds to wait, if the server named them (a 503 may).
    """

    def __init__(
        self, status: int, message: str, *, subject: str = "request", retry_after: float | None = None
    ) -> None:
        super().__init__(f"{subject}: HTTP {status}, {message}")
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.retryable = status == 429 or status >= 500


class AuthError(ApiError):
    """The credentials were refused, or may not be tried again yet.

    Attributes:
        retry_at: When the credentials may be tried again; None when only new ones help.
    """

    def __init__(self, message: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class RateLimitError(ApiError):
    """The server throttled the request (429) more often than we retry.

    Attributes:
        retry_after: Seconds to wait, if the server named them.
    """

    retryable = True

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ApiTimeoutError(ApiError):
    """No complete answer before the deadline."""

    retryable = True


class TransportError(ApiError):
    """No answer: the connection could not be made or was lost."""

    retryable = True


class PayloadError(ApiError):
    """The answer breaks the contract of the API."""


class CircuitOpenError(ApiError):
    """Not sent: the circuit breaker of this endpoint family is open.

    Attributes:
        retry_at: When the next probe is allowed.
    """

    retryable = True

    def __init__(self, message: str, *, retry_at: datetime) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class StreamError(TTError):
    """A DXLink link failed."""


class StreamClosedError(StreamError):
    """The link was closed or fell silent."""

    retryable = True


class ProtocolError(StreamError):
    """The peer sent something that DXLink does not allow at that point."""


class DataError(TTError):
    """Data does not fit its schema, or is not good enough for its purpose."""


class InvalidFormatError(DataError):
    """A file or a payload is not in a format that we read."""


class MissingColumnError(DataError):
    """A frame lacks columns that its schema names."""


class ParseError(DataError):
    """One value cannot be read as the type of its column."""


class CoverageError(DataError):
    """Too little of the universe came to publish the dataset.

    Attributes:
        missing: The reason for each subject that did not come.
        coverage: Share of the subjects that came, 0 to 1.
    """

    def __init__(self, message: str, *, missing: Mapping[str, str], coverage: float) -> None:
        super().__init__(message)
        self.missing = dict(missing)
        self.coverage = coverage


class StorageError(TTError):
    """The data folder cannot be read or written."""


class LockTimeoutError(StorageError):
    """Another process kept a dataset locked for longer than we wait."""

    retryable = True


class ConflictError(StorageError):
    """Another program has stored something since it was read: what was made from it would undo that."""

    retryable = True


class CorruptFileError(StorageError):
    """A stored file is damaged."""
