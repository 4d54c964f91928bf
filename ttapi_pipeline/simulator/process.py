# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A simulator in a process of its own, for as long as a block of code needs one. The program in it: see `program`."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Final, Self

from ttapi_pipeline.core.errors import ConfigError, TransportError

READY_SECONDS: Final = 15.0
_STOP_SECONDS: Final = 5.0
_STDERR_LINES: Final = 200
_LINE_BYTES: Final = 4_096


class SimulatorProcess:
    """Runs `python -m ttapi_pipeline.simulator` on a free loopback port.

    The child starts on construction and answers when the constructor returns. It ends with `stop` or with the block. It
    also ends by itself when this process ends, even if that was killed: the child's standard input reaches its end
    then. May be used from any thread.

    Args:
        seed: Of the market.
        arguments: Further options of the program, such as ``--equities 12000``.
        ready_seconds: How long the child may take until it answers.

    Raises:
        ConfigError: The program refused its options.
        TransportError: The child ended or was not ready in time; the message has its last words.
    """

    def __init__(self, *, seed: int = 7, arguments: Sequence[str] = (), ready_seconds: float = READY_SECONDS) -> None:
        command = [sys.executable, "-m", "ttapi_pipeline.simulator", "--port", "0", "--seed", str(seed)]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [*command, "--exit-with-parent", "--json", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            close_fds=True,
            # The parent handles a Ctrl-C on the terminal; the child follows when its input ends.
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._lock = threading.Lock()
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._first_line: queue.Queue[bytes] = queue.Queue(maxsize=1)
        self._readers = [
            threading.Thread(target=read, args=(stream,), name="simulator-output", daemon=True)
            for read, stream in ((self._read_stdout, self._process.stdout), (self._read_stderr, self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()
        try:
            self.url, self.pid = self._wait_until_ready(ready_seconds)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the child is alive."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """The last lines that the child wrote to its standard error."""
        return "\n".join(self._stderr)

    def stop(self) -> None:
        """End the child and wait for it; a second call does nothing."""
        with self._lock:
            process = self._process
            if process.stdin is not None and not process.stdin.closed:
                process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for reader in self._readers:
                reader.join(_STOP_SECONDS)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def _wait_until_ready(self, seconds: float) -> tuple[str, int]:
        try:
            line = self._first_line.get(timeout=seconds)
        except queue.Empty:
            raise TransportError(f"the simulator was not ready after {seconds:g} s{self._quoted()}") from None
        if not line:
            status = self._process.wait()
            self._readers[1].join(_STOP_SECONDS)
            if status == 2:
                raise ConfigError(f"the simulator did not start{self._quoted()}")
            raise TransportError(f"the simulator ended with status {status} before it was ready{self._quoted()}")
        try:
            ready = json.loads(line)
            return str(ready["url"]), int(ready["pid"])
        except (ValueError, KeyError, TypeError) as error:
            raise TransportError(f"the simulator said {line[:80]!r} instead of its address") from error

    def _quoted(self) -> str:
        words = self.last_words().strip()
        return f": {words}" if words else ""

    def _read_stdout(self, stream: IO[bytes]) -> None:
        self._first_line.put(stream.readline(_LINE_BYTES))
        while stream.read(_LINE_BYTES):
            pass

    def _read_stderr(self, stream: IO[bytes]) -> None:
        while line := stream.readline(_LINE_BYTES):
            self._stderr.append(line.decode(errors="replace").rstrip("\n"))
