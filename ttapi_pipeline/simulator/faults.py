# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The plan of faults: their kinds and parameters, where they strike and how often.

`rest.faults` and `dxlink.faults` carry them out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.simulator.edits import steps_of

Parameter = str | float | bool

ANYWHERE: Final = "*"

REST_KINDS: Final[Mapping[str, Mapping[str, Parameter]]] = MappingProxyType(
    {
        # `body` is json, html or empty; `retry_after` is seconds, below 0 for no header; `form` is seconds or date.
        "status": {"status": 503, "body": "json", "retry_after": -1.0, "form": "seconds"},
        # `distribution` is fixed (seconds), uniform (low to seconds) or exponential (mean seconds).
        "latency": {"distribution": "fixed", "seconds": 1.0, "low": 0.0},
        # `when` is before, during or after the body.
        "reset": {"when": "before"},
        "drip": {"chunk_bytes": 64, "seconds": 0.05},
        "truncate": {"share": 0.5},
        "malformed": {},
        "content-type": {"value": "text/html"},
        "huge": {"megabytes": 64.0},
        "drop-symbols": {"share": 0.1},
        "shrink-pages": {"items": 1},
        "missing-optional": {"share": 0.5},
        # `path` and `value` as in `edits`; `action` is set, drop or repeat.
        "replace-field": {"path": "data", "value": "null", "action": "set"},
        "expire-token": {},
        "revoke-token": {},
        # `form` is object (as the API), string (as RFC 6749) or error-code; `code` is the reason that it gives.
        "refuse-grant": {"status": 400, "form": "object", "code": "invalid_grant"},
        # From this many refused grants on, an address gets no answer at all for this long.
        "address-block": {"refusals": 3, "seconds": 28_800.0},
    }
)

DXLINK_KINDS: Final[Mapping[str, Mapping[str, Parameter]]] = MappingProxyType(
    {
        # A kind with `after` strikes once the connection has sent this many data messages.
        "dx-freeze": {"after": 0},
        "dx-close": {"code": 1011, "after": 0},
        "dx-upgrade": {"status": 502},
        "dx-full": {"after": 0},
        "dx-auto-empty": {},
        "dx-snip": {"rows": 100},
        "dx-pending": {"runs": 3},
        "dx-duplicate": {"rows": 1},
        "dx-reorder": {"rows": 2},
        "dx-error": {"error": "UNKNOWN", "message": "simulated", "after": 0},
        # Data stops, keepalives go on.
        "dx-mute": {"after": 0},
        # Every layout is announced anew, back to front.
        "dx-layout": {"after": 0},
        # Every channel is closed, unasked.
        "dx-channel": {"after": 0},
        # This many data messages are sent twice.
        "dx-repeat": {"messages": 1, "after": 0},
        # Connections end after this many seconds.
        "dx-lifetime": {"seconds": 60.0, "code": 1001},
        "dx-token": {},
        # AUTH and CHANNEL_REQUEST are refused until the state before them was sent, which takes up to a second.
        "dx-strict-auth": {},
        "dx-fewer-fields": {"fields": 1},
        "dx-rate": {},
        "dx-drop": {"share": 1.0, "first": 0, "rows": 1e6},
        "dx-event": {"field": "close", "value": "NaN", "first": 0, "rows": 1},
    }
)

EVENT_KINDS: Final = frozenset({"dx-drop", "dx-event"})
"""These strike at an event type, a symbol, or both, see `dxlink.event_faults`."""

KINDS: Final = MappingProxyType({**REST_KINDS, **DXLINK_KINDS})

_WORDS: Final[Mapping[tuple[str, str], frozenset[str]]] = MappingProxyType(
    {
        ("status", "body"): frozenset({"json", "html", "empty"}),
        ("status", "form"): frozenset({"seconds", "date"}),
        ("latency", "distribution"): frozenset({"fixed", "uniform", "exponential"}),
        ("reset", "when"): frozenset({"before", "during", "after"}),
        ("refuse-grant", "form"): frozenset({"object", "string", "error-code"}),
        ("replace-field", "action"): frozenset({"set", "drop", "repeat"}),
    }
)


# The range of a numeric parameter, by its name in every kind; `_ANY_NUMBER` for a name that is not here.
_RANGES: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "status": (200, 599),
        "share": (0, 1),
        "seconds": (0, 1e6),
        "low": (0, 1e6),
        "megabytes": (0, 1024),
        "chunk_bytes": (1, 1e6),
        "items": (0, 1e6),
        "refusals": (1, 1e6),
        "first": (0, 1e6),
    }
)
_ANY_NUMBER: Final = (-1e9, 1e9)
_MOST_CHARACTERS: Final = 200
_MOST_CHARACTERS_OF_A_VALUE: Final = 10_000

_VARIABLE: Final = re.compile(r"\{[^/]*\}")


@dataclass(slots=True)
class Fault:
    """One planned fault.

    Attributes:
        id: Number in this server, from 1.
        route: The place where it strikes: a route template such as ``/option-chains/{symbol}/nested``, however its
            variable segment is named; a path such as ``/option-chains/AAPL/nested``; a family such as
            ``option-chains`` or ``dxlink``; an event type, symbol, or both, of the feed; or ``*``.
        kind: One of KINDS.
        parameters: All parameters of the kind.
        probability: Chance to strike at each opportunity, 0 to 1.
        remaining: How often it may still strike; None for ever.
        seed: Of its own random numbers: two servers with the same plan and requests do the same.
        struck: How often it has struck.
    """

    id: int
    route: str
    kind: str
    parameters: Mapping[str, Parameter]
    probability: float
    remaining: int | None
    seed: int
    struck: int = 0
    random: np.random.Generator = field(init=False, repr=False)
    place: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.place = place_of(self.route)

    def number(self, name: str) -> float:
        """A parameter that is a number."""
        return float(self.parameters[name])

    def text(self, name: str) -> str:
        """A parameter that is a word."""
        return str(self.parameters[name])

    def summary(self) -> dict[str, object]:
        """As the control endpoint writes it."""
        return {
            "id": self.id,
            "route": self.route,
            "kind": self.kind,
            "parameters": dict(self.parameters),
            "probability": self.probability,
            "count": self.remaining,
            "seed": self.seed,
            "struck": self.struck,
        }


class Strike(Protocol):
    """Gives the faults of these kinds that strike now, see `FaultPlan.strike`.

    The connection is understood as the place; `places` are others beside it.
    """

    def __call__(self, kinds: Collection[str], /, *places: str) -> Sequence[Fault]: ...


def place_of(route: str) -> str:
    """A route template without the names of its variable segments, by which templates are compared."""
    return _VARIABLE.sub("{}", route)


class FaultPlan:
    """The faults that are switched on, in the order in which they were added.

    Attributes:
        is_place: Whether a fault could strike there at all. A plan takes every place until its server has said so.
        is_event_place: The same for the faults of events, at the places that they have besides.
    """

    def __init__(self) -> None:
        self.is_place: Callable[[str], bool] = lambda _: True
        self.is_event_place: Callable[[str], bool] = lambda _: True
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(
        self,
        kind: str,
        *,
        route: str = ANYWHERE,
        probability: float = 1.0,
        count: int | None = None,
        seed: int = 0,
        parameters: Mapping[str, object] | None = None,
    ) -> Fault:
        """Switch a fault on.

        Raises:
            ConfigError: No such kind or parameter, or a value that it does not accept.
        """
        if kind not in KINDS:
            raise ConfigError(f"{kind!r} is not a fault; known are {', '.join(KINDS)}")
        if not route:
            raise ConfigError(f"fault {kind}: route is empty; it is a route template, a path, a family or *")
        is_event_place = kind in EVENT_KINDS and self.is_event_place(route)
        if route != ANYWHERE and not self.is_place(route) and not is_event_place:
            # A fault that can never strike would look like a client that bears it.
            raise ConfigError(
                f"fault {kind}: no request has the route {route!r}; it is a route template, a path, a family or *"
            )
        if not 0.0 <= probability <= 1.0:
            raise ConfigError(f"fault {kind}: probability is {probability}; it accepts 0 to 1")
        if count is not None and count < 1:
            raise ConfigError(f"fault {kind}: count is {count}; it accepts 1 and more")
        if seed < 0:
            raise ConfigError(f"fault {kind}: seed is {seed}; it accepts 0 and more")
        fault = Fault(next(self._ids), route, kind, _checked(kind, parameters or {}), probability, count, seed)
        self._faults.append(fault)
        return fault

    def add_spec(self, spec: Mapping[str, object]) -> Fault:
        """Switch a fault on from a JSON object: kind, route, probability, count, seed and parameters.

        Raises:
            ConfigError: The object does not describe a fault.
        """
        match spec:
            case {"kind": str(kind), **rest}:
                pass
            case _:
                raise ConfigError("a fault is an object with at least a kind")
        unknown = sorted(set(rest) - {"route", "probability", "count", "seed", "parameters"})
        if unknown:
            raise ConfigError(f"fault {kind}: {unknown[0]!r} is not a field; parameters go into 'parameters'")
        route, parameters = rest.get("route", ANYWHERE), rest.get("parameters", {})
        if not isinstance(route, str) or not isinstance(parameters, Mapping):
            raise ConfigError(f"fault {kind}: route is a text and parameters an object")
        count = rest.get("count")
        return self.add(
            kind,
            route=route,
            probability=_number(kind, "probability", rest.get("probability", 1.0)),
            count=None if count is None else int(_number(kind, "count", count)),
            seed=int(_number(kind, "seed", rest.get("seed", 0))),
            parameters=parameters,
        )

    def add_option(self, option: str) -> Fault:
        """Switch a fault on from a command line: ``KIND[:NAME=VALUE[,NAME=VALUE...]]``.

        Names are route, probability, count, seed and the parameters of the kind. The ``value`` of ``replace-field``
        comes last: it is JSON, and has commas of its own.

        Raises:
            ConfigError: The text does not describe a fault.
        """
        kind, _, rest = option.partition(":")
        spec: dict[str, object] = {"kind": kind}
        parameters: dict[str, object] = {}
        before = rest
        if kind == "replace-field" and ",value=" in f",{rest}":
            before, _, parameters["value"] = f",{rest}".partition(",value=")
        for pair in filter(None, before.split(",")):
            name, equals, value = pair.partition("=")
            if not equals:
                raise ConfigError(f"fault {kind}: {pair!r} is not NAME=VALUE")
            (spec if name in {"route", "probability", "count", "seed"} else parameters)[name] = value
        return self.add_spec({**spec, "parameters": parameters})

    def strike(self, kinds: Collection[str], *targets: str) -> Sequence[Fault]:
        """Decide which faults of these kinds strike now, and count each of them.

        Args:
            kinds: For example REST_KINDS.
            targets: Template, path and family of the request or connection; `*` is always among them.
        """
        struck, places = [], {place_of(target) for target in targets}
        for fault in self._faults:
            if fault.kind not in kinds or (fault.place != ANYWHERE and fault.place not in places):
                continue
            if fault.remaining == 0 or fault.random.random() >= fault.probability:
                continue
            if fault.remaining is not None:
                fault.remaining -= 1
            fault.struck += 1
            struck.append(fault)
        return struck

    def clear(self, fault_id: int | None = None) -> int:
        """Switch one fault off, or all of them.

        Returns:
            How many were on.
        """
        before = len(self._faults)
        self._faults = [] if fault_id is None else [fault for fault in self._faults if fault.id != fault_id]
        return before - len(self._faults)

    def listing(self) -> Sequence[Fault]:
        """Every fault that was added and not cleared; one that is used up stays in the list."""
        return tuple(self._faults)


def _checked(kind: str, given: Mapping[str, object]) -> Mapping[str, Parameter]:
    parameters = dict(KINDS[kind])
    for name, value in given.items():
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            raise ConfigError(f"fault {kind}: {name!r} is not a parameter; it has {known}")
        if isinstance(parameters[name], str):
            words = _WORDS.get((kind, name))
            # A text goes into a header or a message, so it has one line and a limited length. A value goes into a body.
            longest = _MOST_CHARACTERS_OF_A_VALUE if (kind, name) == ("replace-field", "value") else _MOST_CHARACTERS
            is_text = isinstance(value, str) and value.isprintable() and len(value) <= longest
            if not is_text or (words is not None and value not in words):
                accepts = "one printable line" if words is None else ", ".join(sorted(words))
                raise ConfigError(f"fault {kind}: {name} is {value!r}; it accepts {accepts}")
            parameters[name] = str(value)
        else:
            number = _number(kind, name, value)
            least, most = _RANGES.get(name, _ANY_NUMBER)
            if not least <= number <= most:
                raise ConfigError(f"fault {kind}: {name} is {number:g}; it accepts {least:g} to {most:g}")
            parameters[name] = number
    if kind == "replace-field":
        steps_of(str(parameters["path"]))
    return MappingProxyType(parameters)


def _number(kind: str, name: str, value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else float("nan")
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise ConfigError(f"fault {kind}: {name} is {value!r}; it accepts a number")
    return number
