"""Live editing: SynQ, durable, beside ShareDB in memory, under the same load in the same minute.

Usage: ``make bench``, or ``python -m benchmarks.collab --help``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.servers import HERE, Cpu, Server, ShareDB, SynQ

RESULTS = HERE / "results"
ROOMS, USERS = 10, 5
RUN_TIMEOUT_S = 120.0
PROFILED = ("ray::SessionActor", "collaborate:Ingress")


def main() -> None:
    """Run the rounds, print the table, keep the numbers."""
    options = _options()
    RESULTS.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, Any]] = []
    with ExitStack() as stack:
        about = machine.describe(RESULTS)
        servers: list[Server] = []
        for name in options.servers:
            server: Server = SynQ(RESULTS) if name == "synq" else ShareDB()
            stack.callback(server.stop)
            servers.append(server)
        for round_ in range(1, options.rounds + 1):
            for rate in options.rates:
                for server in servers:
                    others = [other for other in servers if other is not server]
                    disk = {"fsync_ms": machine.fsync_ms(RESULTS)}
                    result = disk | _run(server, others, rate, options)
                    runs.append({"server": server.name, "round": round_, "rate": rate, **result})
                    print(report.line(runs[-1]), file=sys.stderr, flush=True)
    results = {
        "machine": about,
        "load": {"rooms": ROOMS, "users": USERS, "seconds": options.seconds},
        "runs": runs,
    }
    out = options.json or RESULTS / time.strftime("collab-%Y%m%d-%H%M%S.json")
    out.write_text(json.dumps(results, indent=1) + "\n")
    print(report.markdown(results))
    print(f"\n(numbers of every run: {os.path.relpath(out)})", file=sys.stderr)


def _run(
    server: Server, others: list[Server], rate: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Do one run; return the generator's result with the servers' processor time beside it."""
    orders = {
        "target": server.name.lower(),
        "url": server.url,
        "tokens": server.tokens(ROOMS * USERS),
        "rooms": ROOMS,
        "users": USERS,
        "rate": rate,
        "warmup_s": options.warmup,
        "seconds": options.seconds,
        "seed": time.time_ns() % 1_000_000_000,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=HERE.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as generator:
        assert generator.stdin is not None
        assert generator.stdout is not None
        generator.stdin.write(json.dumps(orders))
        generator.stdin.close()
        result: dict[str, Any] = {"error": "the generator ended without a result"}
        cpu, idle = Cpu(server), [Cpu(other) for other in others]
        profilers: list[subprocess.Popen[bytes]] = []
        try:
            for line in generator.stdout:
                event = json.loads(line)
                if event["event"] == "measuring":
                    cpu, idle = Cpu(server), [Cpu(other) for other in others]
                    if options.profile:
                        profilers = _profile(server, rate, options.seconds)
                elif event["event"] == "measured":
                    result["cpu_s"] = cpu.used()
                    result["others_cpu_s"] = sum(sum(c.used().values()) for c in idle)
                else:
                    result = {**event["result"], **{k: result[k] for k in result if "cpu_s" in k}}
            generator.wait(RUN_TIMEOUT_S)
        finally:
            generator.kill()
            for profiler in profilers:
                profiler.wait(RUN_TIMEOUT_S)
    return result


def _profile(server: Server, rate: int, seconds: float) -> list[subprocess.Popen[bytes]]:
    """Record where SynQ's busy processes spend the window (needs py-spy)."""
    profilers = []
    for process in server.processes():
        title = " ".join(process.cmdline())
        if any(mark in title for mark in PROFILED):
            kind = "actor" if PROFILED[0] in title else "ingress"
            out = RESULTS / f"profile-{rate}-{kind}-{process.pid}.txt"
            command = ["py-spy", "record", "--pid", str(process.pid), "--output", str(out)]
            command += ["--duration", str(max(1, int(seconds) - 1)), "--format", "raw"]
            profilers.append(
                subprocess.Popen(
                    [str(Path(sys.executable).parent / command[0]), *command[1:]],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
    return profilers


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.collab", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="each runs every rate once")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured, for each run")
    parser.add_argument("--warmup", type=float, default=2.0, help="seconds before")
    parser.add_argument(
        "--rates", type=int, nargs="+", default=[500, 2_000, 4_000], help="edits offered a second"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="where to keep the numbers")
    parser.add_argument("--profile", action="store_true", help="py-spy SynQ while measuring")
    parser.add_argument(
        "--servers", nargs="+", choices=["synq", "sharedb"], default=["synq", "sharedb"]
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
