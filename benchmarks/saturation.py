"""How much each server carries: the highest offered rate that arrives within 100 ms at p99.

The rate grows by half until a run is late, misses something or fails, then the gap is halved twice.
A rate at which the generator itself was out of processor counts as late, and is marked: the server
may carry more.

Usage: ``make bench-saturation``, or ``python -m benchmarks.saturation --help``.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmarks import machine, report, running
from benchmarks.load import Crowd
from benchmarks.servers import SERVERS, Server, start

ROOMS, USERS = 10, 5
LATE_MS = 100.0
FIRST, GROWTH, HALVINGS, MOST = 2_000, 1.5, 2, 60_000
# Of one core: beyond it the generator's own queue is what is measured.
GENERATOR_FULL = 0.9
HEAD = ("server", "edits/s", "deliveries/s", "p50 ms", "p99 ms", "CPU s per million deliveries")


def main() -> None:
    """Find each server's limit."""
    parser = argparse.ArgumentParser(prog="benchmarks.saturation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="measured, for each run")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=SERVERS)
    chosen = parser.parse_args()
    running.RESULTS.mkdir(parents=True, exist_ok=True)
    about = machine.describe(running.RESULTS)
    rows = []
    for name in chosen.servers:
        server = start(name, running.RESULTS)
        try:
            rows.append(_limit(server, chosen.seconds))
        finally:
            server.stop()
    print(report.table(HEAD, rows))
    print(
        f"\n{ROOMS} sessions of {USERS} users; the highest rate with everything delivered and p99 "
        f"of at most {LATE_MS:g} ms. ≥: there the generator, one process, was the limit."
    )
    print(report.conditions(about))


def _limit(server: Server, seconds: float) -> list[str]:
    good: dict[str, Any] | None = None
    low, high, full = 0.0, float("inf"), False
    rate, halvings = float(FIRST), 0
    while halvings <= HALVINGS and rate <= MOST:
        crowd = Crowd("users", ROOMS, USERS, int(rate))
        result = running.run(server, [crowd], seconds=seconds, warmup=1.5)
        carried = _carried(result)
        print(f"{server.name} {rate:.0f}/s: {'carried' if carried else 'not'}", file=sys.stderr)
        if carried:
            good, low = result, rate
        else:
            high = rate
            full = result.get("generator_cpu", 0.0) > GENERATOR_FULL
        if high == float("inf"):
            rate *= GROWTH
        else:
            rate, halvings = (low + high) / 2, halvings + 1
    if good is None:
        return [server.name, f"below {FIRST}", "", "", "", ""]
    (what,) = good["crowds"]
    return [
        server.name,
        f"{'≥ ' if full else ''}{low:.0f}",
        f"{what['achieved_per_s'] * USERS:.0f}",
        f"{what['p50']:.2f}",
        f"{what['p99']:.1f}",
        f"{report.cpu_per_million(good):.0f}",
    ]


def _carried(result: dict[str, Any]) -> bool:
    if result.get("error") or not result["equal"]:
        return False
    (what,) = result["crowds"]
    return bool(what["delivered"] == what["expected"] and what["p99"] <= LATE_MS)


if __name__ == "__main__":
    main()
