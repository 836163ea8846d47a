"""PostgreSQL and Redis that can be killed and started again on the data they had."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from tests.conftest import _postgres_bin, free_port

START_TIMEOUT_S = 30.0


class Service:
    """A server of our own on loopback."""

    def __init__(self, prefix: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=prefix))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Start it (again) and wait until it answers."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            assert self.process.poll() is None, (self.directory / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, f"{type(self).__name__} did not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill it and all its processes at once, as a power failure would."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        for process in [*parent.children(recursive=True), parent]:
            process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Postgres(Service):
    """PostgreSQL with a database for one SynQ."""

    def __init__(self) -> None:
        super().__init__("synq-pg-")
        # It refuses to run as root.
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(self.directory, "postgres", "postgres")
        initdb = [str(_postgres_bin("initdb")), "-D", str(self.directory / "data"), "-U", "synq"]
        subprocess.run(
            [*self._as, *initdb, "--auth=trust"], check=True, capture_output=True, timeout=60
        )

    @staticmethod
    def exists() -> bool:
        return _postgres_bin("initdb") is not None and _postgres_bin("postgres") is not None

    @property
    def url(self) -> str:
        return f"postgresql://synq@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        return [
            *self._as, str(_postgres_bin("postgres")), "-D", str(self.directory / "data"),
            "-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-k", str(self.directory),
        ]  # fmt: skip

    def start(self) -> None:
        # The one that was killed has left its lock; the system may have given its pid to another.
        (self.directory / "data" / "postmaster.pid").unlink(missing_ok=True)
        super().start()

    def answers(self) -> bool:
        ready = [str(_postgres_bin("pg_isready")), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        return subprocess.run(ready, timeout=10).returncode == 0


class Redis(Service):
    """Redis that keeps nothing."""

    def __init__(self) -> None:
        super().__init__("synq-redis-")

    @staticmethod
    def exists() -> bool:
        return shutil.which("redis-server") is not None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
            "--dir", str(self.directory), "--save", "",
        ]  # fmt: skip

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True
