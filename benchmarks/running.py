"""One run: a generator in a process of its own against one server, with samples of its processors.

Used by every benchmark that offers a load; what a result holds is `benchmarks.load.Result`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.load import Crowd, Orders
from benchmarks.servers import HERE, Cpu, Server

RESULTS = HERE / "results"
RUN_TIMEOUT_S = 120.0
PROFILED = ("ray::SessionActor", "collaborate:Ingress")


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
