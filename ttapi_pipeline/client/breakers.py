# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One circuit breaker per endpoint family: no requests go to a service that is down, until single probes succeed.

pybreaker keeps the states, counters and thresholds. Its own calling conventions do not fit asyncio: `call` judges a
coroutine function by the coroutine that it returns, `call_async` needs Tornado, every caller passes while it is half
open, a cancelled call counts as a failure, and time comes from the machine. So a call is split in two here. `permit`
decides whether a request may go. The report of its outcome is handed to pybreaker as a call of its own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal, NoReturn, cast

import msgspec
import pybreaker

from ttapi_pipeline.client.routes import Family
from ttapi_pipeline.client.state_files import change_state, read_state
from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import CircuitOpenError
from ttapi_pipeline.core.shared_state import StateFile, StatePlace, state_file

StateName = Literal["closed", "open", "half-open"]

BREAKERS_FILE: Final = "breakers.json"

_KEPT_FOR: Final = timedelta(days=1)

_LOGGER: Final = logging.getLogger(__name__)


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions under which a breaker opens and closes.

    Attributes:
        failures: Failures in a row that open it. With a hundred requests in flight, a few in a row are chance.
        successes: Successful probes in a row that close it again.
        recovery_seconds: From its opening to the first probe.
    """

    failures: int = 10
    successes: int = 2
    recovery_seconds: float = 30.0


class BreakerState(msgspec.Struct, frozen=True, kw_only=True):
    """One family's breaker at one moment.

    Attributes:
        state: ``closed`` (all pass), ``open`` (none pass) or ``half-open`` (one probe at a time).
        failures: Failures in a row, while closed.
        changed_at: When it entered this state; None when it has never left ``closed``.
        retry_at: When the next probe is allowed; None unless open.
        last_failure: The message of the last failure.
    """

    state: StateName
    failures: int = 0
    changed_at: datetime | None = None
    retry_at: datetime | None = None
    last_failure: str | None = None


class Permit:
    """The right to send one request. Report its outcome once; `release` after that does nothing."""

    def __init__(self, breaker: Breaker, *, is_probe: bool) -> None:
        self.is_probe = is_probe
        self._breaker = breaker
        self._is_reported = False

    def confirm(self, subject: str) -> None:
        """Raise CircuitOpenError when the breaker has opened since. Call it right before the request is sent."""
        if not self.is_probe:
            self._breaker._confirm(subject)

    def succeeded(self) -> None:
        """Report that the service answered, even if only to say that the request is wrong."""
        self._report(None)

    def failed(self, error: Exception) -> None:
        """Report that the service failed."""
        self._report(error)

    def release(self) -> None:
        """Give the permit back without an outcome, as when the caller was cancelled."""
        if not self._is_reported:
            self._is_reported = True
            self._breaker._settle(self)

    def _report(self, error: Exception | None) -> None:
        if not self._is_reported:
            self._is_reported = True
            self._breaker._settle(self, error, is_known=True)


class Breaker:
    """The breaker of one family. Clients on event loops of several threads may share it.

    Args:
        left: The state in which an earlier process left it. If that was not closed, this one is open until that process
            would have probed, and has to be probed as well.
    """

    def __init__(
        self,
        family: Family,
        *,
        policy: BreakerPolicy,
        clock: Clock,
        on_change: Callable[[], None] = lambda: None,
        left: BreakerState | None = None,
    ) -> None:
        self.family = family
        self._clock = clock
        self._policy = policy
        self._lock = threading.Lock()
        self._probe: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._name: StateName = "closed"
        self._opened_at: float | None = None
        self._changed_at: datetime | None = None
        self._last_failure: str | None = None
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=policy.failures,
            success_threshold=policy.successes,
            reset_timeout=policy.recovery_seconds,
            name=family.value,
            # Otherwise pybreaker replaces the failure that opens it by an error that says less.
            throw_new_error_on_trip=False,
        )
        if left is not None and left.state != "closed":
            self._take_over(left)
        # Later than what was taken over, which is no change and is written already.
        self._breaker.add_listener(_Notes(self, on_change))

    def _take_over(self, left: BreakerState) -> None:
        self._breaker.open()
        self._name, self._last_failure = "open", left.last_failure
        now, recovery = self._clock.now(), self._policy.recovery_seconds
        wait = 0.0 if left.retry_at is None else (left.retry_at - now).total_seconds()
        # A clock that was put back since must not keep it open for longer than a failure of now would.
        wait = min(max(wait, 0.0), recovery)
        self._changed_at = now - timedelta(seconds=recovery - wait)
        self._opened_at = self._clock.monotonic() - (recovery - wait)

    @property
    def state(self) -> BreakerState:
        """The state now."""
        retry_at = None
        if self._name == "open" and self._changed_at is not None:
            retry_at = self._changed_at + timedelta(seconds=self._policy.recovery_seconds)
        return BreakerState(
            state=self._name,
            failures=self._breaker.fail_counter if self._name == "closed" else 0,
            changed_at=self._changed_at,
            retry_at=retry_at,
            last_failure=self._last_failure,
        )

    def check(self, subject: str) -> None:
        """Raise CircuitOpenError when no request could be sent now. This takes no permit."""
        with self._lock:
            if self._name == "open" and not self._is_due():
                self._refuse(subject)

    async def permit(self, subject: str) -> Permit:
        """Wait while another request probes the half-open breaker, and then take a permit.

        Raises:
            CircuitOpenError: The breaker is open, or the probe failed.
        """
        loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                if self._name == "closed":
                    return Permit(self, is_probe=False)
                if self._probe is None:
                    if self._name == "open":
                        if not self._is_due():
                            self._refuse(subject)
                        self._breaker.half_open()
                    self._probe = (loop, asyncio.Event())
                    return Permit(self, is_probe=True)
                probing, finished = self._probe
                if probing is not loop:
                    self._refuse(subject)
            await finished.wait()

    def _confirm(self, subject: str) -> None:
        with self._lock:
            if self._name != "closed":
                self._refuse(subject)

    def _settle(self, permit: Permit, error: Exception | None = None, *, is_known: bool = False) -> None:
        with self._lock:
            # A request that was sent before the breaker opened says nothing about the service now.
            counts = is_known and (permit.is_probe or self._name == "closed")
            if counts and error is None:
                self._breaker.call(_succeed)
            elif counts and error is not None:
                self._last_failure = str(error)
                try:
                    self._breaker.call(_fail, error)
                except Exception as raised:
                    if raised is not error:
                        raise
            if permit.is_probe and self._probe is not None:
                # Only requests of the probe's event loop wait for it, and this code runs on that loop.
                self._probe[1].set()
                self._probe = None

    def _is_due(self) -> bool:
        return self._opened_at is None or self._clock.monotonic() >= self._opened_at + self._policy.recovery_seconds

    def _refuse(self, subject: str) -> NoReturn:
        retry_at = self._clock.now()
        if self._opened_at is not None:
            rest = self._opened_at + self._policy.recovery_seconds - self._clock.monotonic()
            retry_at += timedelta(seconds=max(rest, 0.0))
        raise CircuitOpenError(
            f"{subject}: not sent, the circuit breaker of {self.family} is {self._name} until "
            f"{retry_at:%H:%M:%S} UTC (last failure: {self._last_failure})",
            retry_at=retry_at,
        )

    def _entered(self, name: StateName) -> None:
        # pybreaker notifies before it changes its own state, so decisions are made by this name.
        self._name = name
        self._changed_at = self._clock.now()
        self._opened_at = self._clock.monotonic() if name == "open" else None


class _Notes(pybreaker.CircuitBreakerListener):
    """Told by pybreaker of each change: notes the time by our clock, logs it, and tells `on_change`."""

    def __init__(self, breaker: Breaker, on_change: Callable[[], None]) -> None:
        self._breaker = breaker
        self._on_change = on_change

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        self._breaker._entered(cast("StateName", new_state.name))
        _LOGGER.warning(
            "circuit breaker of %s: %s, was %s",
            cb.name,
            new_state.name,
            old_state.name if old_state is not None else "new",
            extra={"family": cb.name, "breaker_state": new_state.name},
        )
        self._on_change()


class Breakers:
    """The breakers of all families of one server. Give the same object to every client of a process.

    Args:
        server: The name of the server, for the file: a breaker that one server opened says nothing of another.
        state_dir: Where the states are written at each change. The next process goes on from them, and other
            processes show them; None writes and reads nothing.
    """

    def __init__(
        self,
        *,
        policy: BreakerPolicy | None = None,
        clock: Clock = SYSTEM_CLOCK,
        server: str = "",
        state_dir: StatePlace | None = None,
    ) -> None:
        self._server, self._clock = server, clock
        self._file = None if state_dir is None else state_file(state_dir, BREAKERS_FILE)
        left = {} if state_dir is None else read_breaker_states(state_dir, server)
        self._breakers = {
            family: Breaker(
                family,
                policy=policy or BreakerPolicy(),
                clock=clock,
                on_change=partial(self._write, family),
                left=left.get(family.value),
            )
            for family in Family
        }

    def __getitem__(self, family: Family) -> Breaker:
        return self._breakers[family]

    def states(self) -> Mapping[str, BreakerState]:
        """The state of every family now."""
        return {family.value: breaker.state for family, breaker in self._breakers.items()}

    def _write(self, family: Family) -> None:
        """Write what has become of one breaker; what other processes wrote of the others stays."""
        if self._file is None:
            return

        def with_this(left: _Left | None) -> _Left:
            known = {} if left is None else left.servers
            servers = {name: states for name, states in known.items() if self._is_worth_keeping(states)}
            servers.setdefault(self._server, {})[family.value] = self._breakers[family].state
            return _Left(servers=servers)

        change_state(self._file, _Left, with_this)

    def _is_worth_keeping(self, states: Mapping[str, BreakerState]) -> bool:
        # A simulator of its own listens at another port each time, and the file must not grow with them.
        since = self._clock.now() - _KEPT_FOR
        return any(each.state != "closed" and each.changed_at and each.changed_at > since for each in states.values())


def read_breaker_states(state_dir: StatePlace, server: str = "") -> Mapping[str, BreakerState]:
    """The states that processes wrote of a server's breakers, by family; empty when none of them has changed yet."""
    return _read(state_file(state_dir, BREAKERS_FILE)).get(server, {})


class _Left(msgspec.Struct, frozen=True):
    """The file: states by server and family. Files of older versions named no server, and nothing is read from them."""

    servers: dict[str, dict[str, BreakerState]] = msgspec.field(default_factory=dict)


def _read(file: StateFile) -> dict[str, dict[str, BreakerState]]:
    left = read_state(file, _Left)
    return {} if left is None else left.servers


def _succeed() -> None:
    """The call that pybreaker counts as a success."""


def _fail(error: Exception) -> NoReturn:
    raise error
