# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Changes one place of a JSON body, or many alike: so the fault ``replace-field`` plays a payload that others have met.

A path names the place from the body's root: names are joined with dots, and a list is entered with ``[0]``, ``[-1]``,
``[*]`` (all), ``[1:-1]`` (a range) or ``[symbol=AAPL]`` (the elements with that value). So
``data.items[symbol=AAPL].earnings.visible``. A place that the body does not have is left alone, except that the last
name of a path is added to an object that lacks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from ttapi_pipeline.core.errors import ConfigError

Action = Literal["set", "drop", "repeat"]

Step = str | slice | tuple[str, str]
"""One step of a path: a name, a range of a list, or a name and the value that elements must have there."""

_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[([^\[\]]*)\]")
_RANGE: Final = re.compile(r"(-?\d+)?:(-?\d+)?")


@dataclass(frozen=True, slots=True)
class Edit:
    """What happens at a place.

    Attributes:
        path: See the module.
        action: ``set`` puts the value there, ``drop`` removes what is there, ``repeat`` adds a copy of an element
            behind the list that it is in, changed by the value when both are objects.
        value: A JSON value; a text that is no JSON stands for itself, so that ``NaN`` is the text.
    """

    path: str
    action: Action
    value: str

    def apply(self, body: bytes) -> bytes:
        """The body with the change; a body that is not JSON stays as it is."""
        try:
            root = {"": orjson.loads(body)}
        except orjson.JSONDecodeError:
            return body
        *way, last = ["", *steps_of(self.path)]
        places: list[Any] = [root]
        for step in way:
            places = [place[key] for place in places for key in _keys(place, step)]
        for place in places:
            self._change(place, last)
        return orjson.dumps(root[""])

    def _change(self, place: Any, last: Step) -> None:
        keys = list(_keys(place, last))
        if self.action == "set" and isinstance(last, str) and isinstance(place, dict):
            keys = [last]
        # From the back, so that what is dropped moves no place that comes later.
        for key in reversed(keys):
            match self.action:
                case "set":
                    place[key] = self._value()
                case "drop":
                    del place[key]
                case "repeat":
                    copy, value = orjson.loads(orjson.dumps(place[key])), self._value()
                    both = isinstance(copy, dict) and isinstance(value, dict)
                    place.append({**copy, **value} if both else copy)

    def _value(self) -> Any:
        try:
            return orjson.loads(self.value)
        except orjson.JSONDecodeError:
            return self.value


def steps_of(path: str) -> Sequence[Step]:
    """The steps of a path.

    Raises:
        ConfigError: The text is not a path.
    """
    steps: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise ConfigError(f"fault replace-field: {path!r} is not a path, see {path[at:]!r}")
        steps.append(match[1] if match[1] is not None else _selector(match[2], path))
        at = match.end()
    if not steps:
        raise ConfigError("fault replace-field: path is empty; it is such as data.items[0].beta")
    return steps


def _selector(text: str, path: str) -> slice | tuple[str, str]:
    name, equals, value = text.partition("=")
    if equals:
        return name, value
    if text == "*":
        return slice(None)
    bounds = _RANGE.fullmatch(text)
    if bounds is not None:
        return slice(*(int(bound) if bound else None for bound in bounds.groups()))
    try:
        number = int(text)
    except ValueError:
        raise ConfigError(
            f"fault replace-field: [{text}] in {path!r} is not a place; it is a number, *, a range or NAME=VALUE"
        ) from None
    return slice(number, number + 1 or None)


def _keys(place: Any, step: Step) -> Iterator[Any]:
    match step:
        case str():
            if isinstance(place, dict) and step in place:
                yield step
        case slice():
            if isinstance(place, list):
                yield from range(*step.indices(len(place)))
        case (name, value):
            if isinstance(place, list):
                yield from (
                    at for at, each in enumerate(place) if isinstance(each, dict) and str(each.get(name)) == value
                )
