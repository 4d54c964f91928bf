# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Small JSON files that outlive a process, for `oauth` and `breakers`. They must not hold secrets.

Each has a checksum and says which code wrote it; what does not fit is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.seals import sealed_document, unsealed_document
from ttapi_pipeline.core.shared_state import StateFile

T = TypeVar("T")

SEALED_BY: Final = "state 1"

_LOGGER: Final = logging.getLogger(__name__)


def read_state(file: StateFile, state_type: type[T]) -> T | None:
    """The content of the file; None when there is no file, or it cannot be read as that type."""
    try:
        return _parsed(file, file.read(), state_type)
    except (OSError, TTError) as error:
        _LOGGER.warning("%s cannot be read, going on without it: %s", file, error)
        return None


def change_state(file: StateFile, state_type: type[T], how: Callable[[T | None], T]) -> bool:
    """Replace the content in one step by what is made of it, None where there is none.

    Returns:
        Whether that was done. A failure is only logged, since this process remembers the state anyway.
    """

    def changed(content: bytes | None) -> bytes:
        state = how(_parsed(file, content, state_type))
        return sealed_document(msgspec.to_builtins(state), by=SEALED_BY).encode()

    try:
        file.change(changed)
    except (OSError, TTError) as error:
        _LOGGER.warning("%s cannot be written, the next process will not know: %s", file, error)
        return False
    return True


def forget_state(file: StateFile) -> None:
    """Remove the file, if it is there."""
    try:
        file.change(lambda _: None)
    except (OSError, TTError) as error:
        _LOGGER.warning("%s cannot be removed: %s", file, error)


def _parsed(file: StateFile, content: bytes | None, state_type: type[T]) -> T | None:
    if content is None:
        return None
    try:
        return msgspec.convert(unsealed_document(content, by=SEALED_BY), type=state_type)
    except (msgspec.MsgspecError, ValueError) as error:
        _LOGGER.warning("%s cannot be read, going on without it: %s", file, error)
        return None
