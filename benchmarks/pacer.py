"""Calls back at given times, to some tens of microseconds.

Event loops round their timers to whole milliseconds, which is as much as some of what is measured
here. A kernel timer on a file descriptor is not rounded; where there is none (not Linux) the loop's
own timers serve, and the lag that is printed shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import time
from collections.abc import Callable, Sequence

CLOCK_MONOTONIC = 1
TFD_NONBLOCK = os.O_NONBLOCK
TFD_ABSTIME = 1


class _Times(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Pacer:
    """Plays a schedule: ``(due, who)``, in order of time.

    Attributes:
        lags: for each entry, the seconds by which it was called late.
        done: set when the last one was called.
    """

    def __init__(
        self, schedule: Sequence[tuple[float, int]], call: Callable[[int, float], None]
    ) -> None:
        self._schedule = schedule
        self._call = call
        self._next = 0
        self._loop = asyncio.get_running_loop()
        self._timer = _open_timer()
        self.lags: list[float] = []
        self.done = asyncio.Event()

    def start(self) -> None:
        """Begin; due times are on the monotonic clock."""
        if self._timer is not None:
            self._loop.add_reader(self._timer, self._play)
        self._arm()

    def stop(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._loop.remove_reader(self._timer)
            os.close(self._timer)
            self._timer = None

    def _play(self) -> None:
        if self._timer is not None:
            # Spurious wake-ups have nothing to read.
            with contextlib.suppress(BlockingIOError):
                os.read(self._timer, 8)
        schedule, index = self._schedule, self._next
        now = time.monotonic()
        while index < len(schedule) and schedule[index][0] <= now:
            due, who = schedule[index]
            index += 1
            self.lags.append(now - due)
            self._call(who, due)
            now = time.monotonic()
        self._next = index
        self._arm()

    def _arm(self) -> None:
        if self._next >= len(self._schedule):
            self.done.set()
            return
        due = self._schedule[self._next][0]
        if self._timer is None:
            self._loop.call_later(max(0.0, due - time.monotonic()), self._play)
            return
        seconds = int(due)
        times = _Times(0, 0, seconds, int((due - seconds) * 1e9))
        _libc().timerfd_settime(self._timer, TFD_ABSTIME, ctypes.byref(times), None)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _open_timer() -> int | None:
    try:
        descriptor = _libc().timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)
    except AttributeError:
        return None
    return descriptor if descriptor >= 0 else None
