# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Small JSON files that outlive a process, for `oauth` and `breakers`. They must not hold secrets.

Each has a checksum and says which code wrote it; what does not fit is dropped.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from ttapi_pipeline.core.files import make_folders, remove_abandoned, replacing
from ttapi_pipeline.core.seals import sealed_document, unsealed_document

T = TypeVar("T")

SEALED_BY: Final = "state 1"

_LOGGER: Final = logging.getLogger(__name__)


def read_state(file: Path, state_type: type[T]) -> T | None:
    """The content of the file; None when there is no file, or it cannot be read as that type."""
    try:
        return msgspec.convert(unsealed_document(file.read_bytes(), by=SEALED_BY), type=state_type)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        _LOGGER.warning("%s cannot be read, going on without it: %s", file, error)
        return None


def write_state(file: Path, state: object) -> None:
    """Replace the file in one step. A failure is only logged, since this process remembers the state anyway."""
    try:
        make_folders(file.parent)
        # Readable by this user alone.
        with replacing(file, mode=0o600) as staging:
            staging.write_text(sealed_document(msgspec.to_builtins(state), by=SEALED_BY), encoding="utf-8")
    except OSError as error:
        _LOGGER.warning("%s cannot be written, the next process will not know: %s", file, error)


def forget_state(file: Path) -> None:
    """Remove the file, if it is there."""
    try:
        file.unlink(missing_ok=True)
        remove_abandoned(file)
    except OSError as error:
        _LOGGER.warning("%s cannot be removed: %s", file, error)
