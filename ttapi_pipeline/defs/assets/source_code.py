# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Links from an asset in the web UI to its source: the module that builds it, and the one that declares it.

`dg.with_source_code_references` would link all datasets to one line, that of the function that makes assets.
"""

from importlib.util import find_spec
from pathlib import Path

import dagster as dg

from ttapi_pipeline.datasets.dataset import Dataset


def code_references(dataset: Dataset) -> dg.CodeReferencesMetadataValue:
    """The lines of the function `build` and of the declaration. Neither module is imported."""
    package = f"ttapi_pipeline.datasets.{dataset.name}"
    return dg.CodeReferencesMetadataValue(
        code_references=[
            _reference(f"{package}.build", ("def build(", "async def build("), label="build"),
            _reference(f"{package}.table", ("DATASET",), label="declaration"),
        ]
    )


def reference_to(module: str, begins: str, *, label: str) -> dg.CodeReferencesMetadataValue:
    """The line of a module that begins so."""
    return dg.CodeReferencesMetadataValue(code_references=[_reference(module, (begins,), label=label)])


def _reference(module: str, begins: tuple[str, ...], *, label: str) -> dg.LocalFileCodeReference:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    lines = Path(spec.origin).read_text(encoding="utf-8").splitlines()
    number = next((number for number, line in enumerate(lines, 1) if line.startswith(begins)), 1)
    return dg.LocalFileCodeReference(file_path=spec.origin, line_number=number, label=label)
