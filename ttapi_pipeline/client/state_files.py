# SPDX-License-Identifier: MIT
"""Small JSON files that outlive a process, for `oauth` and `breakers`. They must not hold secrets."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from ttapi_pipeline.core.files import replacing

T = TypeVar("T")

_LOGGER: Final = logging.getLogger(__name__)


def read_state(file: Path, state_type: type[T]) -> T | None:
    """The content of the file; None when there is no file, or it cannot be read as that type."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=state_type)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        _LOGGER.warning("%s cannot be read, going on without it: %s", file, error)
        return None


def write_state(file: Path, state: object) -> None:
    """Replace the file in one step. A failure is only logged, since this process remembers the state anyway."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as staging:
            # Readable by this user alone.
            staging.touch(mode=0o600)
            staging.write_bytes(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
    except OSError as error:
        _LOGGER.warning("%s cannot be written, the next process will not know: %s", file, error)


def forget_state(file: Path) -> None:
    """Remove the file, if it is there."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        _LOGGER.warning("%s cannot be removed: %s", file, error)
