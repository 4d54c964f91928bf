# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How log records leave the process: as text or as JSON. Each module decides what to log, and at which level."""

from __future__ import annotations

import copy
import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

from ttapi_pipeline.core.lines import one_json_line, one_line, visible_lines
from ttapi_pipeline.core.settings import Settings

_PACKAGE: Final = "ttapi_pipeline"
_BUILT_IN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object per line: at (UTC), level, logger, message, the record's extra fields, and exception if any."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update({name: value for name, value in vars(record).items() if name not in _BUILT_IN})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        # JSON itself escapes what is below a space.
        return one_json_line(json.dumps(entry, default=str, ensure_ascii=False))


class TextFormatter(logging.Formatter):
    """One line for a person, with the time in UTC; a traceback follows, set in."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        # Another handler may have kept its own form of the traceback in the record, with whatever the error's text has.
        ours = copy.copy(record)
        ours.exc_text = None
        return super().format(ours)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's
        """Set in, so that a line of an error's text does not look like a record."""
        return "\n".join(f"  {line}" for line in visible_lines(super().formatException(ei)).split("\n"))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        return _instant(record)


def configure_logging(settings: Settings) -> None:
    """Write log records to standard error as the settings say; call it once, where a program begins.

    Our own records are shown from TT_LOG_LEVEL on, records of libraries from warnings on. If the application has
    installed handlers already, records go through those instead.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_is_of_an_error)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger(_PACKAGE).setLevel(settings.log_level.upper())


def _is_of_an_error(record: logging.LogRecord) -> bool:
    """Whether a record is not about an interrupt: libraries log one with a traceback where it meets them at work."""
    error = record.exc_info[1] if record.exc_info else None
    return error is None or isinstance(error, Exception)


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
