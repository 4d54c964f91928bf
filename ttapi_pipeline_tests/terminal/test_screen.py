# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The lines that are drawn are where they should be on the terminal, which is given back as it was."""

from __future__ import annotations

import io
import os
import pty
import termios
import threading
import time
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.terminal.screen import Screen, showing, terminal_size
from ttapi_pipeline_tests.support.emulator import Emulator
from ttapi_pipeline_tests.support.examples import examples

FRAMES = st.lists(
    st.tuples(
        st.sampled_from([(30, 5), (30, 7), (24, 6)]),
        st.lists(st.text("ab1 ", max_size=24) | st.just("x" * 30), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=12,
)


class TestScreen:
    @settings(max_examples=examples(60))
    @given(frames=FRAMES)
    def test_after_any_frames_the_terminal_shows_the_last_one(
        self, frames: list[tuple[tuple[int, int], list[str]]]
    ) -> None:
        terminal = Emulator(30, 7)
        screen = Screen(terminal)
        screen.enter()
        for size, frame in frames:
            screen.draw(frame, size)
            assert terminal.rows == [line.rstrip() for line in frame] + [""] * (7 - len(frame))

    def test_only_lines_that_have_changed_are_written(self) -> None:
        terminal = Emulator(20, 4)
        screen = Screen(terminal)
        assert screen.draw(["a", "b", "c"], (20, 4)) == 3
        before = terminal.written
        assert screen.draw(["a", "b", "c"], (20, 4)) == 0
        assert terminal.written == before
        assert screen.draw(["a", "B", "c"], (20, 4)) == 1
        assert screen.draw(["a", "B", "c"], (21, 4)) == 3, "a new size draws everything"
        screen.forget()
        assert screen.draw(["a", "B", "c"], (21, 4)) == 3

    def test_it_is_drawn_in_place_follows_the_size_hears_keys_and_gives_the_terminal_back(self) -> None:
        leader, follower = pty.openpty()
        termios.tcsetwinsize(follower, (10, 40))
        before = termios.tcgetattr(follower)
        sizes: list[tuple[int, int]] = []
        keys: list[bytes] = []
        resized, typed = threading.Event(), threading.Event()

        def frame(width: int, height: int) -> Sequence[str]:
            sizes.append((width, height))
            if (width, height) == (60, 20):
                resized.set()
            return [f"{width} x {height}"]

        def hear(key: bytes) -> None:
            keys.append(key)
            typed.set()

        output = io.StringIO()
        with showing(frame, hear, output, output=follower, keys=follower, frame_seconds=0.01):
            os.write(leader, b"n")
            assert typed.wait(20)
            termios.tcsetwinsize(follower, (20, 60))
            assert resized.wait(20)
        assert keys == [b"n"]
        assert sizes[0] == (40, 10)
        assert termios.tcgetattr(follower) == before
        assert "screen" not in {thread.name for thread in threading.enumerate()}
        text = output.getvalue()
        assert text.startswith("\x1b[?1049h\x1b[?25l")
        assert text.endswith("\x1b[?25h\x1b[?1049l")
        assert text.count("40 x 10") == 1
        assert text.count("60 x 20") == 1
        os.close(follower)
        os.close(leader)

    def test_a_terminal_that_is_gone_disturbs_nobody(self) -> None:
        class Gone(io.StringIO):
            def write(self, text: str, /) -> int:
                raise OSError(5, "Input/output error")

        leader, follower = pty.openpty()
        with showing(lambda *_: ["x"], lambda _: None, Gone(), output=follower, frame_seconds=0.01):
            deadline = time.monotonic() + 20
            while "screen" in {thread.name for thread in threading.enumerate()} and time.monotonic() < deadline:
                time.sleep(0.005)
        os.close(follower)
        os.close(leader)

    def test_a_terminal_without_a_size_is_taken_for_a_small_one(self) -> None:
        leader, follower = pty.openpty()
        termios.tcsetwinsize(follower, (0, 0))
        assert terminal_size(follower) == (20, 4)
        os.close(follower)
        os.close(leader)
