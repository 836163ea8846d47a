"""Exact sliding windows: how many messages one user may send."""

from __future__ import annotations

from collections import deque


class SlidingWindows:
    """At most ``per_second`` in any second and ``per_minute`` in any minute. Pure.

    Both windows are checked before either is charged: a refused message costs nothing.
    """

    __slots__ = ("_per_minute", "_per_second", "_stamps")

    def __init__(self, per_second: int, per_minute: int) -> None:
        self._per_second = per_second
        self._per_minute = per_minute
        # Stamps of the last minute; the last second is their tail.
        self._stamps: deque[float] = deque()

    def take(self, now_s: float) -> int | None:
        """Charge one message at ``now_s``; if refused, return after how many ms to try again."""
        stamps = self._stamps
        while stamps and stamps[0] <= now_s - 60.0:
            stamps.popleft()
        wait = 0.0
        if len(stamps) >= self._per_minute:
            wait = stamps[-self._per_minute] + 60.0 - now_s
        if len(stamps) >= self._per_second:
            wait = max(wait, stamps[-self._per_second] + 1.0 - now_s)
        if wait > 0:
            return max(1, int(wait * 1_000) + 1)
        stamps.append(now_s)
        return None

    def idle(self, now_s: float) -> bool:
        """Whether nothing was charged within the last minute."""
        return not self._stamps or self._stamps[-1] <= now_s - 60.0
