# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Routing on the raw path: ``BRK%2FB`` is one segment, which a router that decodes first cannot see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from ttapi_pipeline.simulator.rest.wire import Answer, Call, RequestError, not_found

Handler = Callable[[Call], Answer]

_REST: Final = "*}"


@dataclass(frozen=True, slots=True)
class Route:
    """A request that the server answers.

    Attributes:
        template: Such as ``/option-chains/{symbol}/nested``. ``{symbol*}`` at the end takes the rest of the path.
        is_open: Whether it answers without an access token.
    """

    method: str
    template: str
    handler: Handler
    is_open: bool = False

    @property
    def name(self) -> str:
        """Method and template, as the counters say it."""
        return f"{self.method} {self.template}"

    @property
    def family(self) -> str:
        """The first segment of the template, by which faults and breakers group endpoints."""
        return self.template.split("/", 2)[1]


class Router:
    """Finds the route of a request; the first match in the given order."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_first: dict[str, list[tuple[Sequence[str], Route]]] = {}
        for route in routes:
            pattern = route.template.split("/")[1:]
            self._by_first.setdefault(pattern[0], []).append((pattern, route))

    def match(self, method: str, raw_path: str) -> tuple[Route, Mapping[str, str]]:
        """The route and its decoded parameters.

        Raises:
            RequestError: 404 for an unknown path, 405 for a path that has other methods only.
        """
        segments = raw_path.split("/")[1:]
        is_known = False
        for pattern, route in self._by_first.get(segments[0] if segments else "", ()):
            params = _match(pattern, segments)
            if params is None:
                continue
            if route.method == method:
                return route, params
            is_known = True
        if is_known:
            raise RequestError(405, "method_not_allowed", f"{method} is not allowed here")
        raise not_found("this route")

    def is_place(self, place: str) -> bool:
        """Whether a request has this template, family or path, whatever its method."""
        segments = place.split("/")[1:] if place.startswith("/") else [place]
        patterns = self._by_first.get(segments[0], ())
        if not place.startswith("/"):
            return bool(patterns)
        return any(_match(pattern, segments) is not None for pattern, _ in patterns)


def _match(pattern: Sequence[str], segments: Sequence[str]) -> Mapping[str, str] | None:
    takes_rest = pattern[-1].endswith(_REST)
    if len(segments) < len(pattern) or (len(segments) > len(pattern) and not takes_rest):
        return None
    params = {}
    for index, name in enumerate(pattern):
        if not name.startswith("{"):
            if name != segments[index]:
                return None
        elif name.endswith(_REST):
            params[name[1:-2]] = unquote("/".join(segments[index:]))
        elif segments[index]:
            params[name[1:-1]] = unquote(segments[index])
        else:
            return None
    return params
