"""Processes of one SynQ: found by their mark, whatever they call themselves, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cluster import processes

# Writes its title over its arguments and the start of its environment, as Ray's processes do.
RENAMED = """
import ctypes, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open("/proc/self/stat") as file:
    start = int(file.read().rsplit(")", 1)[1].split()[48])
ctypes.memset(start, 0, 1)
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def start(mark: str) -> subprocess.Popen[bytes]:
    environment = {"A_FIRST": "x", **os.environ, processes.MARK: mark}
    process = subprocess.Popen(
        [sys.executable, "-c", RENAMED], env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def test_a_renamed_process_that_ignores_sigterm_is_ended_and_a_stranger_is_not(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    ours, other = start(str(tmp_path.resolve())), start(str(tmp_path.resolve() / "other"))
    started += [ours, other]
    assert [p.pid for p in processes.marked(tmp_path)] == [ours.pid]
    before = time.monotonic()
    assert processes.end_marked(tmp_path) == 1
    assert time.monotonic() - before < 10
    assert not psutil.pid_exists(ours.pid)
    assert other.poll() is None


def test_what_runs_is_told_while_it_runs(tmp_path: Path) -> None:
    assert processes.read_info(tmp_path) is None
    processes.write_info(tmp_path, {"url": "http://127.0.0.1:1"})
    info = processes.read_info(tmp_path)
    assert info is not None
    assert (info["pid"], info["url"]) == (os.getpid(), "http://127.0.0.1:1")
    assert abs(info["started"] - psutil.Process().create_time()) < 1
    processes.remove_info(tmp_path)
    assert processes.read_info(tmp_path) is None
