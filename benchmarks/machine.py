"""The machine a benchmark ran on, as far as its numbers depend on it."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import psutil

FSYNCS = 200


def describe(data: Path) -> dict[str, object]:
    """Return cores, processor, kernel, memory and file system."""
    return {
        "cores": os.cpu_count() or 1,
        "cpu": _cpu(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "filesystem": _filesystem(data),
        "load_before": round(os.getloadavg()[0], 2),
    }


def fsync_ms(data: Path) -> float:
    """Return the median time of a small write made durable, in milliseconds: a commit's floor.

    A disk that others use too answers ten times slower at one moment than at the next.
    """
    times = []
    with tempfile.TemporaryFile(dir=data) as file:
        for _ in range(FSYNCS):
            start = time.perf_counter()
            file.write(b"x" * 512)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _filesystem(path: Path) -> str:
    path = path.resolve()
    mounts = [
        part for part in psutil.disk_partitions(all=True) if path.is_relative_to(part.mountpoint)
    ]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"
