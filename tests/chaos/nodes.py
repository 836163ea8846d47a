"""A second Ray node beside the one that `synq up` started, which can be lost."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from cluster import processes
from tests.conftest import ROOT, Running

START_TIMEOUT_S = 60.0


def named(synq: Running, title: str) -> list[psutil.Process]:
    """Return this SynQ's processes with such a title."""
    found = []
    for process in processes.marked(synq.data_dir):
        with contextlib.suppress(psutil.Error):
            if title in " ".join(process.cmdline()):
                found.append(process)
    return found


class Node:
    """A Ray node of its own processes, in the same SynQ."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    def join(cls, synq: Running, cpus: int = 1) -> Node:
        """Start a node with the environment that the first has, and wait until it is there."""
        first = named(synq, "raylet/raylet")[0]
        environment = dict(
            entry.split("=", 1)
            for entry in Path(f"/proc/{first.pid}/environ").read_text().split("\0")
            if "=" in entry
        )
        gcs = re.search(r"--gcs-address=(\S+)", " ".join(first.cmdline()))
        assert gcs is not None
        log = synq.data_dir / "node.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.nodes", gcs[1], str(cpus), str(synq.data_dir)],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        ready = synq.data_dir / f"node-{process.pid}"
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready.exists():
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.1)
        return cls(process)

    def processes(self, title: str = "") -> list[psutil.Process]:
        """Return its processes with such a title."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    if title in " ".join(process.cmdline()):
                        found.append(process)
        return found

    def signal(self, number: int) -> None:
        """Signal all of it at once; stopped, it is a machine that hangs."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def kill(self) -> None:
        """Lose it: nothing on it says goodbye."""
        # Stopped first, else one of it would see another's end and clean up.
        lost = self.processes()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in lost:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        self._process.wait(10)


def _run(gcs_address: str, cpus: int, directory: Path) -> None:
    """Be a node until killed. (`ray start` would make an outer address of loopback.)"""
    from ray._private.node import Node as RayNode
    from ray._private.parameter import RayParams
    from ray._raylet import GcsClient

    parameters = RayParams(
        gcs_address=gcs_address,
        node_ip_address=gcs_address.rpartition(":")[0],
        num_cpus=cpus,
        object_store_memory=100 * 1024 * 1024,
        include_log_monitor=False,
    )
    gcs = GcsClient(address=gcs_address)
    before = set(gcs.get_all_node_info())
    RayNode(parameters, head=False, shutdown_at_exit=False, spawn_reaper=False)
    while set(gcs.get_all_node_info()) <= before:
        time.sleep(0.1)
    (directory / f"node-{os.getpid()}").touch()
    signal.pause()


if __name__ == "__main__":
    _run(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
