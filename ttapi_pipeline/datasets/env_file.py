# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The text of a `.env` file that shows every setting with its default. Reading one: see `core.settings`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from ttapi_pipeline.core.settings import CREDENTIAL_VARIABLES, VARIABLES
from ttapi_pipeline.core.ttl import ACCEPTED_DURATION
from ttapi_pipeline.core.variables import Variable, ttl_variable
from ttapi_pipeline.datasets.registry import DATASETS

_WIDTH: Final = 118

_CREDENTIALS: Final = (
    "Without credentials everything runs on the local simulator and the data is invented. To use your account, create "
    "an OAuth2 application and a grant at my.tastytrade.com (Manage > My Profile > API) and set both:"
)


def env_text(home: str, *, about: str) -> str:
    """The whole file.

    Args:
        home: The folder of the Dagster instance.
        about: The first sentence: what the file is.
    """
    return "\n".join(_lines(home, about))


def _lines(home: str, about: str) -> Iterator[str]:
    yield _comment(
        f"{about} `tt` lets real environment variables win over this file, `dagster` this file over them. Every "
        "variable is shown with its default. One that is empty counts as not set."
    )
    yield ""
    yield "# The Dagster instance: this folder, so that every command knows what the last one did."
    yield f"DAGSTER_HOME=${{DAGSTER_HOME:-{home}}}"
    yield ""
    yield _comment(_CREDENTIALS)
    yield from (f"# {name}=" for name in CREDENTIAL_VARIABLES)
    for variable in VARIABLES.values():
        if variable.name not in CREDENTIAL_VARIABLES:
            yield ""
            yield _comment(_meaning(variable))
            yield f"# {variable.name}={variable.default}"
    yield ""
    yield _comment(f"How long each dataset stays fresh. They accept {ACCEPTED_DURATION}.")
    for name, dataset in DATASETS.items():
        variable = ttl_variable(name, dataset.ttl)
        yield f"# {variable.name}={variable.default}"
    yield ""


def _meaning(variable: Variable) -> str:
    sentences = [f"{variable.meaning[0].upper()}{variable.meaning[1:]}.", f"It accepts {variable.accepts}."]
    if variable.default_in_words:
        sentences.append(f"By default {variable.default_in_words}.")
    return " ".join(sentences)


def _comment(text: str) -> str:
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"# {line}" for line in lines)
