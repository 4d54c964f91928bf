# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""README's table of settings and `.env.example` say what the table in `settings` says."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from ttapi_pipeline.core.errors import ConfigError, InvalidValueError
from ttapi_pipeline.core.settings import CREDENTIAL_VARIABLES, KNOWN_VARIABLES, VARIABLES, Settings
from ttapi_pipeline.core.ttl import ACCEPTED_DURATION
from ttapi_pipeline.core.variables import Variable, ttl_variable
from ttapi_pipeline.datasets.registry import DATASETS, load_settings

ROOT = Path(__file__).resolve().parents[2]
NO_FILE = Path("no such file")
TTLS = {name: ttl_variable(name, dataset.ttl) for name, dataset in DATASETS.items()}


def readme_rows() -> Iterator[str]:
    """The rows of the table, without its head and the variable of another program."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Settings\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert rows[0] == "| variable | default | accepts | meaning |"
    yield from (row for row in rows[2:] if not row.startswith("| `DAGSTER_HOME`"))


def readme_row(variable: Variable) -> str:
    default = variable.default_in_words or (f"`{variable.default}`" if variable.default else "")
    return f"| `{variable.name}` | {default} | {variable.accepts} | {variable.meaning} |".replace("|  |", "| |")


def example(variable: Variable) -> str:
    """The lines of a variable in `.env.example`: what it means, what it accepts, and its default, commented out."""
    sentences = [f"{variable.meaning[0].upper()}{variable.meaning[1:]}.", f"It accepts {variable.accepts}."]
    if variable.default_in_words:
        sentences.append(f"By default {variable.default_in_words}.")
    return "\n".join([comment(" ".join(sentences)), f"# {variable.name}={variable.default}"])


def comment(text: str) -> str:
    lines = textwrap.wrap(text, 118, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"# {line}" for line in lines)


def test_the_readme_has_a_row_for_every_variable() -> None:
    ttl = Variable(
        "TT_TTL_<DATASET>", str, ACCEPTED_DURATION, "", "how long a dataset stays fresh", "by dataset, see above"
    )
    assert list(readme_rows()) == [readme_row(variable) for variable in (*VARIABLES.values(), ttl)]


def test_the_example_shows_every_variable_with_what_it_accepts_and_its_default() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = [variable for variable in VARIABLES.values() if variable.name not in CREDENTIAL_VARIABLES]
    assert [example(variable) for variable in shown if f"\n{example(variable)}\n" not in text] == []
    # The text above the credentials says where to get them.
    assert [name for name in CREDENTIAL_VARIABLES if f"\n# {name}=\n" not in text] == []
    ttls = [f"# {variable.name}={variable.default}" for variable in TTLS.values()]
    assert "\n".join([comment(f"How long each dataset stays fresh. They accept {ACCEPTED_DURATION}."), *ttls]) in text


def test_the_example_has_no_variable_that_is_not_a_setting() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^#? ?(TT_\w+)=", text, re.MULTILINE)) == sorted(
        KNOWN_VARIABLES | {variable.name for variable in TTLS.values()}
    )


@pytest.mark.parametrize("attribute", [name for name, variable in VARIABLES.items() if variable.default])
def test_a_default_is_read_as_the_default(attribute: str) -> None:
    variable = VARIABLES[attribute]
    assert getattr(Settings.from_values({variable.name: variable.default}), attribute) == getattr(Settings(), attribute)


@pytest.mark.parametrize("name", DATASETS)
def test_the_ttl_of_every_dataset_has_a_variable(name: str) -> None:
    variable, dataset = TTLS[name], DATASETS[name]
    assert load_settings({}, dotenv=NO_FILE).ttl(dataset) == dataset.ttl
    assert load_settings({variable.name: variable.default}, dotenv=NO_FILE).ttl(dataset) == dataset.ttl
    changed = load_settings({variable.name: "90"}, dotenv=NO_FILE)
    assert changed.ttls == {name: timedelta(seconds=90)}
    assert changed.ttl(dataset) == timedelta(seconds=90)
    with pytest.raises(InvalidValueError, match=f"{variable.name} is 'soon'; it accepts a positive number of seconds"):
        load_settings({variable.name: "soon"}, dotenv=NO_FILE)


def test_the_ttl_of_a_dataset_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="TT_TTL_SYMBOL is not a setting") as caught:
        load_settings({"TT_TTL_SYMBOL": "5m"}, dotenv=NO_FILE)
    assert "TT_TTL_SYMBOLS" in str(caught.value)


def test_every_attribute_but_the_ttls_has_one_variable() -> None:
    assert [each.name for each in fields(Settings) if each.name not in VARIABLES] == ["ttls"]
    assert len({variable.name for variable in VARIABLES.values()}) == len(VARIABLES)


def test_the_default_ttls_are_the_documented_ones() -> None:
    days = {name: dataset.ttl / timedelta(days=1) for name, dataset in DATASETS.items()}
    assert days == {
        "trading_calendar": 7,
        "accounts": pytest.approx(1 / 24),
        "universe": 1,
        "symbols": 1,
        "implied_volatility": 1,
        "earnings": 1,
        "quotes": 5 / (24 * 60),
        "expiration_series": 7,
        "daily_candles": 1,
        "eod_snapshot": 1,
        "returns_stddev": 1,
        "volatility": 1,
        "volatility_cone": 1,
        "variance_premium": 1,
        "expectations": 1,
    }
