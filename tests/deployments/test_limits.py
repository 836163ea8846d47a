"""Sliding windows: exact, and a refused message costs nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployments.websocket.limits import SlidingWindows


@given(st.lists(st.floats(0.001, 20, allow_nan=False), max_size=200), st.integers(1, 5))
def test_never_more_than_allowed_and_never_less(gaps: list[float], per_second: int) -> None:
    """Against a count of what was let in, at every message."""
    per_minute = 2 * per_second + 3
    windows = SlidingWindows(per_second, per_minute)
    now = 0.0
    taken: list[float] = []
    for gap in gaps:
        now += gap
        within_second = sum(at > now - 1.0 for at in taken)
        within_minute = sum(at > now - 60.0 for at in taken)
        wait_ms = windows.take(now)
        assert (wait_ms is None) == (within_second < per_second and within_minute < per_minute)
        if wait_ms is None:
            taken.append(now)


def test_says_when_to_try_again() -> None:
    windows = SlidingWindows(2, 3)
    assert windows.take(0.0) is None
    assert windows.take(0.5) is None
    wait_ms = windows.take(0.6)
    assert wait_ms is not None
    assert 400 <= wait_ms <= 402
    assert windows.take(0.6 + wait_ms / 1_000) is None
    wait_ms = windows.take(10.0)
    assert wait_ms is not None
    assert 50_000 <= wait_ms <= 50_002
