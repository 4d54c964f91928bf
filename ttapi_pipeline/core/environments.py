# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which service answers: its name, its address, and the credentials that it needs. The variables: see `settings`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.core.errors import ConfigError, MissingEnvVarError
from ttapi_pipeline.core.variables import Variable


class Environment(StrEnum):
    """Which service answers; `sandbox` is tastytrade's certification environment."""

    SIMULATOR = "simulator"
    SANDBOX = "sandbox"
    PRODUCTION = "production"


API_URLS: Final[Mapping[Environment, str]] = MappingProxyType(
    {
        Environment.SANDBOX: "https://api.cert.tastyworks.com",
        Environment.PRODUCTION: "https://api.tastyworks.com",
    }
)

SIMULATOR_CLIENT_SECRET: Final = "simulator-client-secret"  # noqa: S105 - the local simulator's, worth nothing
SIMULATOR_REFRESH_TOKEN: Final = "simulator-refresh-token"  # noqa: S105 - the local simulator's, worth nothing


def environment_of(values: Mapping[str, str], variable: Variable, secrets: Sequence[str]) -> Environment:
    """The environment that a variable names; production when it is not set and a credential is.

    Args:
        values: Variables that are set.
        variable: TT_ENV.
        secrets: Names of the variables of the credentials.

    Raises:
        InvalidValueError: It names none.
    """
    if variable.name in values:
        return Environment(variable.read(values[variable.name]))
    return Environment.PRODUCTION if any(name in values for name in secrets) else Environment.SIMULATOR


def check_credentials(values: Mapping[str, str], environment: Environment, secrets: Sequence[str]) -> None:
    """Check that a real environment has both credentials, and the simulator none but its own.

    Raises:
        MissingEnvVarError: A credential is not set.
        ConfigError: The simulator has one of somebody.
    """
    for name, own in zip(secrets, (SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN), strict=True):
        if environment is not Environment.SIMULATOR:
            if name not in values:
                raise MissingEnvVarError(name, f"TT_ENV={environment} needs an OAuth2 application's credentials")
        elif values.get(name, own) != own:
            raise ConfigError(
                f"TT_ENV is 'simulator' and {name} is set; the simulator never runs beside real credentials: unset one"
            )
