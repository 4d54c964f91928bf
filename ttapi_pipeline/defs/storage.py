# SPDX-License-Identifier: MIT
"""What the checks ask of the stored data; `io_manager` has it, and is imported by a run alone."""

from typing import Protocol

from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.layout import Folder


class Storage(Protocol):
    """The `io_manager` resource as a check sees it."""

    @property
    def folder(self) -> Folder:
        """The data folder."""
        ...

    def wait_for_csv(self, dataset: str) -> Manifest | None:
        """Wait until the CSV that this run writes for a dataset is there.

        Raises:
            StorageError: The CSV could not be written.
        """
        ...
