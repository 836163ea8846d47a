"""Runs: a generator in a process of its own against one server, with samples of its processors.

Used by every benchmark that offers a load. `rounds` plays cases against servers in turn and prints
`benchmarks.report`'s table; `run` does one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import machine, report
from benchmarks.load import Crowd, Orders
from benchmarks.servers import HERE, Cpu, Server, start

RESULTS = HERE / "results"
RUN_TIMEOUT_S = 120.0
PROFILED = ("ray::SessionActor", "collaborate:Ingress")


def options(
    name: str, about: str | None, *, rounds: int = 3, seconds: float = 10.0
) -> argparse.ArgumentParser:
    """Return what every such benchmark may be told on its command line."""
    parser = argparse.ArgumentParser(prog=f"benchmarks.{name}", description=about)
    parser.add_argument("--rounds", type=int, default=rounds, help="each plays every case once")
    parser.add_argument("--seconds", type=float, default=seconds, help="measured, for each run")
    parser.add_argument("--warmup", type=float, default=2.0, help="seconds before")
    parser.add_argument("--json", type=Path, metavar="OUT", help="where to keep the numbers")
    parser.add_argument("--profile", action="store_true", help="py-spy SynQ while measuring")
    return parser


def rounds(
    name: str,
    servers: Sequence[str],
    cases: Mapping[str, Sequence[Crowd]],
    chosen: argparse.Namespace,
    notes: Sequence[str],
    **environment: str,
) -> None:
    """Play every case against every server in turn, so often; print the table, keep the numbers.

    Args:
        cases: by what the table calls them.
        notes: sentences below the table.
        environment: for SynQ.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"machine": machine.describe(RESULTS), "notes": list(notes)}
    runs = results["runs"] = []
    with ExitStack() as stack:
        started: list[Server] = []
        for each in servers:
            started.append(start(each, RESULTS, **environment))
            stack.callback(started[-1].stop)
        for round_ in range(1, chosen.rounds + 1):
            for case, crowds in cases.items():
                for server in started:
                    fsync_ms = machine.fsync_ms(RESULTS)
                    result = run(
                        server,
                        crowds,
                        seconds=chosen.seconds,
                        warmup=chosen.warmup,
                        others=[other for other in started if other is not server],
                        profile=f"{name}-{case}" if chosen.profile else "",
                    )
                    about = {"server": server.name, "round": round_, "case": case}
                    runs.append(about | {"fsync_ms": fsync_ms} | result)
                    print(report.line(runs[-1]), file=sys.stderr, flush=True)
    out = chosen.json or RESULTS / time.strftime(f"{name}-%Y%m%d-%H%M%S.json")
    out.write_text(json.dumps(results, indent=1) + "\n")
    print(report.markdown(results))
    print(f"\n(numbers of every run: {os.path.relpath(out)})", file=sys.stderr)


def run(
    server: Server,
    crowds: Sequence[Crowd],
    *,
    seconds: float,
    warmup: float = 2.0,
    others: Sequence[Server] = (),
    profile: str = "",
) -> dict[str, Any]:
    """Do one run; return its result, and ``cpu_s`` by kind of process, that of ``others`` too.

    Args:
        others: servers that idle meanwhile.
        profile: a label; SynQ's busy processes are then recorded with py-spy.
    """
    orders = Orders(
        target=server.name.lower(),
        api=server.api,
        urls=server.urls,
        tokens=server.tokens(sum(crowd.rooms * crowd.users for crowd in crowds)),
        crowds=list(crowds),
        warmup_s=warmup,
        seconds=seconds,
        seed=time.time_ns() % 1_000_000_000,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=HERE.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as generator:
        assert generator.stdin is not None
        assert generator.stdout is not None
        generator.stdin.write(msgspec.json.encode(orders))
        generator.stdin.close()
        result: dict[str, Any] = {"crowds": [], "error": "the generator ended without a result"}
        cpu, idle = Cpu(server), [Cpu(other) for other in others]
        profilers: list[subprocess.Popen[bytes]] = []
        try:
            for line in generator.stdout:
                event = json.loads(line)
                if event["event"] == "measuring":
                    cpu, idle = Cpu(server), [Cpu(other) for other in others]
                    if profile:
                        profilers = _profile(server, profile, seconds)
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


def _profile(server: Server, label: str, seconds: float) -> list[subprocess.Popen[bytes]]:
    profilers = []
    for process in server.processes():
        title = " ".join(process.cmdline())
        if any(mark in title for mark in PROFILED):
            kind = "actor" if PROFILED[0] in title else "ingress"
            out = RESULTS / f"profile-{label}-{kind}-{process.pid}.txt"
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
