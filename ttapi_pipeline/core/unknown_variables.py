# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Refuses variables that are no settings, and have our prefix.

One that was ignored would leave its setting at the default, and without a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.nearest import did_you_mean
from ttapi_pipeline.core.variables import PREFIX, TTL_PREFIX

_OF_A_SERVICE: Final = re.compile(r"\w+(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
"""Variables that Kubernetes sets in each pod for each service beside it, and Docker for linked containers. A service of
the name ``tt-simulator`` gives TT_SIMULATOR_SERVICE_HOST, TT_SIMULATOR_PORT_8080_TCP_ADDR and others."""


def without_services(values: Mapping[str, str], variables: Collection[str]) -> Mapping[str, str]:
    """Variables of a process without those that name a service beside it. A setting of ours is never taken for one."""
    return {name: value for name, value in values.items() if name in variables or not _OF_A_SERVICE.fullmatch(name)}


def refuse_unknown(found: Mapping[str, str], variables: Collection[str], datasets: Collection[str] | None) -> None:
    """Name every variable that is not a setting, where it stands, and the setting that it may have been meant for.

    Args:
        found: Where each variable is from, by name, such as ``the environment``; empty where that is not known. Those
            of other programs, without our prefix, are passed over.
        variables: The names of all settings but the TTLs.
        datasets: The datasets that have a TTL; None for any.

    Raises:
        ConfigError: One is unknown, or is known in capital letters.
    """
    ttls = {name for name in found if name.startswith(TTL_PREFIX) and name != TTL_PREFIX}
    known = {*variables, *(ttls if datasets is None else (f"{TTL_PREFIX}{name.upper()}" for name in datasets))}
    unknown = [name for name in sorted(found) if name not in known and _is_meant_for_us(name, known)]
    if unknown:
        named = "; ".join(
            f"{name} is not a setting{did_you_mean(name, known)}{_place(found[name])}" for name in unknown
        )
        raise ConfigError(f"{named}; known ones are {', '.join(sorted(known))}")


def _is_meant_for_us(name: str, known: Collection[str]) -> bool:
    return name.startswith(PREFIX) or name.upper() in known


def _place(place: str) -> str:
    return f", and stands in {place}" if place else ""
