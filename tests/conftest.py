"""What all tests share: databases to run over, and a SynQ that runs.

Real SQLite, real PostgreSQL, real Redis, a real ``synq up``. A missing service skips with its
reason on a user's machine and fails where ``CI`` is set.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from cluster.settings import Settings, load_settings
from cluster.storage.database import Database

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 150.0


def missing(what: str) -> None:
    """Skip, or fail where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI is set")
    pytest.skip(f"needs {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end(process: subprocess.Popen[bytes], timeout_s: float = 20.0) -> int:
    """End a process of ours and return its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


@pytest.fixture(scope="session")
def data() -> Path:
    """Real traces and circuits that the project does not carry."""
    path = Path(os.environ.get("SYNQ_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not path.exists():
        pytest.skip(f"needs the data folder {path} (SYNQ_TEST_DATA)")
    return path


# --- databases -----------------------------------------------------------------------------------


def _postgres_bin(name: str) -> str | None:
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(candidates[0]) if candidates else shutil.which(name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL of our own on a Unix port of loopback, gone afterwards."""
    initdb, server = _postgres_bin("initdb"), _postgres_bin("postgres")
    if initdb is None or server is None:
        missing("PostgreSQL (initdb, postgres)")
    assert initdb is not None
    assert server is not None
    # PostgreSQL refuses to run as root.
    runuser = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    directory = Path(tempfile.mkdtemp(prefix="synq-pg-"))
    if runuser:
        shutil.chown(directory, "postgres", "postgres")
    port = free_port()
    subprocess.run(
        [*runuser, initdb, "-D", str(directory / "data"), "-U", "synq", "--auth=trust"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    process = subprocess.Popen(
        [
            *runuser, server, "-D", str(directory / "data"), "-p", str(port),
            "-c", "listen_addresses=127.0.0.1", "-k", str(directory),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "PostgreSQL did not start"
                assert time.monotonic() < deadline, "PostgreSQL did not answer"
                time.sleep(0.1)
        time.sleep(0.5)
        yield f"postgresql://synq@127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            # Its child is the server where runuser stands between: end that one by its own pid.
            pid = int((directory / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGQUIT)
            process.wait(20)
        shutil.rmtree(directory, ignore_errors=True)


async def _create_database(url: str, name: str) -> str:
    import asyncpg

    connection = await asyncpg.connect(f"{url}/postgres")
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return f"{url}/{name}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings over each database in turn."""
    if request.param == "sqlite":
        return load_settings(data_dir=tmp_path)
    base = request.getfixturevalue("postgres_url")
    url = await _create_database(base, f"t{time.monotonic_ns()}")
    return load_settings(data_dir=tmp_path, database_url=url)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """A migrated, empty database."""
    database = Database(settings)
    await database.migrate()
    try:
        yield database
    finally:
        await database.close()


# --- a running SynQ ------------------------------------------------------------------------------


@dataclass
class Running:
    """A `synq up` of the tests' own."""

    url: str
    data_dir: Path
    port: int
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    tokens: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cluster.cli", "up"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            if (info := self.data_dir / "run" / "info.json").exists():
                try:
                    ready = httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
                except httpx.HTTPError:
                    ready = False
                if ready and str(self.process.pid) in info.read_text():
                    return
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.2)

    def stop(self) -> int:
        """Stop it as an operator would; return its exit status."""
        assert self.process is not None
        return end(self.process)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `synq` command beside it."""
        return subprocess.run(
            [sys.executable, "-m", "cluster.cli", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def token(self, user: str) -> str:
        """Return a token for a user."""
        if user not in self.tokens:
            self.tokens[user] = self.cli("token", user).stdout.strip()
        return self.tokens[user]

    def client(self, user: str | None) -> httpx.AsyncClient:
        """Return an HTTP client that speaks for a user."""
        headers = {"Authorization": f"Bearer {self.token(user)}"} if user else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)


def make_running(directory: Path, **variables: str) -> Running:
    """Prepare a SynQ on a free port with a directory of its own."""
    port = free_port()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SYNQ_", "RAY_", "RATE_LIMIT", "WEBSOCKET_"))
        and name not in ("DATABASE_URL", "REDIS_URL")
    }
    environment |= {"SYNQ_PORT": str(port), "SYNQ_DATA_DIR": str(directory), **variables}
    return Running(f"http://127.0.0.1:{port}", directory, port, environment, directory / "synq.log")


@pytest.fixture(scope="session")
def synq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One SynQ for all tests that only use it; limits as shipped, but for the rate."""
    running = make_running(
        tmp_path_factory.mktemp("synq"),
        RATE_LIMIT_PER_SECOND="10000",
        RATE_LIMIT_PER_MINUTE="600000",
    )
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def app_url(synq: Running) -> str:
    """Where the page is."""
    return synq.url


@pytest.fixture
def own_synq(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start further SynQs, for tests that break them."""
    started: list[Running] = []

    def start(**variables: str) -> Running:
        running = make_running(tmp_path / f"synq{len(started)}", **variables)
        running.data_dir.mkdir()
        started.append(running)
        running.start()
        return running

    yield start
    for running in started:
        running.stop()


async def eventually(check: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait for a condition."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not check():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen"
        await asyncio.sleep(0.02)
