# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is remembered from one look to the next: a small file beside the data, for all programs that look.

A file that is damaged, or of another version of the program, is nothing: what is wrong then is told once more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from ttapi_pipeline.alerts.news import Memory
from ttapi_pipeline.alerts.outbox import Outbox
from ttapi_pipeline.alerts.troubles import StepOutcome
from ttapi_pipeline.core.errors import LockTimeoutError, StorageError
from ttapi_pipeline.core.seals import sealed_document, unsealed_document
from ttapi_pipeline.storage.layout import STATE_FOLDER, Folder
from ttapi_pipeline.storage.store import open_store

SEALED_BY: Final = "alerts 1"

_NAME: Final = f"{STATE_FOLDER}/alerts.json"
_LOCK_SECONDS: Final = 60.0

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is remembered.

    Attributes:
        memory: What was told.
        failures: The last outcome of each step that failed.
        due: Since when each dataset has been due although nothing kept it from being refreshed.
        seen_until: Runs that ended before it were looked at, aware UTC; None when none was.
        outbox: Messages on their way.
    """

    memory: Memory = field(default_factory=Memory)
    failures: Mapping[str, StepOutcome] = field(default_factory=dict)
    due: Mapping[str, datetime] = field(default_factory=dict)
    seen_until: datetime | None = None
    outbox: Outbox = field(default_factory=Outbox)


class LedgerFile:
    """The ledger of a data folder, for one process.

    When it cannot be written, as on a full disk, this process goes on by what it remembers itself: just then there is
    something to tell.
    """

    def __init__(self, folder: Folder) -> None:
        self._store = open_store(folder)
        self._path = folder / _NAME
        self._unwritten: Ledger | None = None

    @property
    def is_behind(self) -> bool:
        """Whether this process remembers something that is not in the file."""
        return self._unwritten is not None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other programs from looking at the same time, for a block.

        Raises:
            LockTimeoutError: Another program has looked for a minute now.
        """
        if self._unwritten is not None:
            yield
            return
        with ExitStack() as stack:
            try:
                stack.enter_context(self._store.held(STATE_FOLDER, "alerts", timeout_seconds=_LOCK_SECONDS))
            except LockTimeoutError:
                raise
            except StorageError as error:
                # Where no lock can be made, no ledger can be written either.
                _LOGGER.debug("alerts: looking without a lock: %s", error)
            yield

    def read(self) -> Ledger:
        """The ledger; an empty one where there is none that can be read."""
        if self._unwritten is not None:
            return self._unwritten
        try:
            content = self._store.read_file(_NAME)
            if content is None:
                return Ledger()
            return msgspec.convert(unsealed_document(content, by=SEALED_BY), type=Ledger)
        except (StorageError, msgspec.MsgspecError, ValueError) as error:
            _LOGGER.warning("%s cannot be read, what is wrong is told again: %s", self._path, error)
            return Ledger()

    def write(self, ledger: Ledger) -> None:
        """Keep the ledger, in the file or else in this process."""
        try:
            self._store.write_file(_NAME, sealed_document(msgspec.to_builtins(ledger), by=SEALED_BY).encode())
        except StorageError as error:
            if self._unwritten is None:
                _LOGGER.warning("alerts: %s; this process remembers by itself what it has told", error)
            self._unwritten = ledger
        else:
            self._unwritten = None
