"""Break things while people type: they stay equal, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cluster import processes
from tests.chaos import faults, vanishing
from tests.chaos.disks import mountable, small_disk
from tests.chaos.faults import Scene
from tests.chaos.people import Team, team
from tests.conftest import Running, eventually, make_running

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
HEARTBEAT_MS = 2_000
DISK = "disk"
# As large as a message may be, and more of them than all buffers on the way can hold.
PASTED = "x" * 90_000
MOST_PASTED = 400
Harm = Callable[[Scene, Team], Awaitable[None]]
FAST = {"RATE_LIMIT_PER_SECOND": "1000", "RATE_LIMIT_PER_MINUTE": "60000"}


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A SynQ to be broken by one test after the other; each leaves it running."""
    directory = tmp_path_factory.mktemp("breakable")
    with contextlib.ExitStack() as stack:
        variables = {**FAST, "WEBSOCKET_HEARTBEAT_INTERVAL": str(HEARTBEAT_MS)}
        if mountable():
            disk = stack.enter_context(small_disk(directory / DISK, 256))
            variables["DATABASE_URL"] = f"sqlite:///{disk}/synq.db"
        running = make_running(directory, **variables)
        running.start()
        stack.callback(running.stop)
        yield running


@pytest.mark.parametrize(
    ("harm", "within_s"),
    [
        (faults.actor_killed, 20),
        (faults.killer("ray::ServeReplica:collaborate"), 60),
        (faults.killer("ray::Directory"), 20),
        (faults.killer("haproxy -"), 60),
    ],
    ids=["session actor", "replica", "directory", "haproxy"],
)
async def test_a_killed_process_loses_nothing(
    breakable: Running, harm: Harm, within_s: float
) -> None:
    async with team(breakable, harm) as people:
        await people.recovered(10)
        await harm(Scene(breakable, people.rng), people)
        await asyncio.sleep(1)
        await people.recovered(within_s)
        await people.check()


async def test_a_stopped_owner_that_wakes_changes_nothing(breakable: Running) -> None:
    """Another has its sessions by then, and whatever it believes, its epoch is stale."""
    async with team(breakable, "stopped") as people:
        await people.recovered(10)
        process = faults.busiest_actor(Scene(breakable, people.rng))
        process.suspend()
        try:
            assert await people.recovered(25) < 15
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        await people.recovered(10)
        await people.check()


async def test_a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_room(
    breakable: Running,
) -> None:
    if not mountable():
        pytest.skip("needs root, to mount a small file system")
    scene = Scene(breakable, random.Random("disk"), disk=breakable.data_dir / DISK)
    async with team(breakable, "disk") as people:
        await people.recovered(10)
        await faults.disk_full(scene, people)
        await people.recovered(30)
        await people.check()


async def test_a_reader_that_does_not_read_slows_nobody_and_comes_back(breakable: Running) -> None:
    """It is closed when it is 1 MiB behind what the system's own buffers take."""
    async with team(breakable, "stalled", users=("alice", "bob", "carol")) as people:
        stalled, writer, other = people.editors
        people.idle |= {stalled, writer}
        stalled.present({"cursor": 1})
        await eventually(lambda: other.presence.get(stalled.client) is not None)
        before = [await people.recovered(10, [other]) for _ in range(20)]
        stalled.reading.clear()
        reconnects, meanwhile = stalled.reconnects, []
        while other.presence[stalled.client] is not None:
            # What is pasted goes again, so that the document stays small.
            writer.insert(0, PASTED)
            writer.delete(0, len(PASTED))
            await writer.settle(20)
            meanwhile.append(await people.recovered(10, [other]))
            assert len(meanwhile) < MOST_PASTED, "it was never closed"
        people.idle.clear()
        stalled.reading.set()
        await people.recovered(30)
        assert stalled.reconnects > reconnects
        assert sorted(meanwhile)[len(meanwhile) // 2] < 10 * sorted(before)[len(before) // 2]
        await people.check()


async def test_a_peer_that_vanished_is_dropped_after_two_heartbeats(breakable: Running) -> None:
    async with team(breakable, "vanished") as people:
        editor = people.editors[0]
        process = await vanishing.start(breakable, editor.session, "carol")
        try:
            await eventually(lambda: editor.presence.get(vanishing.CLIENT) is not None)
            process.send_signal(signal.SIGSTOP)
            start = time.monotonic()
            await eventually(lambda: editor.presence[vanishing.CLIENT] is None, 10)
            assert HEARTBEAT_MS < 1_000 * (time.monotonic() - start) < 2 * HEARTBEAT_MS + 2_000
        finally:
            process.kill()
            process.communicate()
        await people.recovered(10)
        await people.check()


async def test_everything_killed_and_started_again(breakable: Running) -> None:
    """HAProxy is left to its own: it outlives its parents and holds the port for the next start."""
    synq = breakable
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        async with team(synq, "everything") as people:
            await people.recovered(10)
            assert synq.process is not None
            synq.process.kill()
            synq.process.wait()
            left = 0
            for process in processes.marked(synq.data_dir):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "haproxy -" in " ".join(process.cmdline()):
                        left += 1
                    else:
                        process.kill()
            assert left, "nothing was left over: the next start has nothing to end"
            await asyncio.to_thread(synq.start)
            await people.recovered(60)
            await people.check()
        assert stranger.poll() is None, "what is not ours was ended"
    finally:
        stranger.kill()
        stranger.wait()


async def test_a_signal_stops_everything_at_once_and_it_starts_again(breakable: Running) -> None:
    """The last that needs this one: it stays stopped."""
    synq = breakable
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        assert synq.process is not None
        before = loop.time()
        synq.process.send_signal(number)
        assert await asyncio.to_thread(synq.process.wait, 20) == 0
        assert loop.time() - before < 15
        assert processes.marked(synq.data_dir) == []
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", synq.port))
        if number is signal.SIGINT:
            await asyncio.to_thread(synq.start)


async def test_nothing_listens_beyond_loopback(synq: Running) -> None:
    for process in processes.marked(synq.data_dir):
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    assert connection.laddr.ip in ("127.0.0.1", "::1", "::ffff:127.0.0.1"), (
                        process.cmdline(),
                        connection.laddr,
                    )


def test_the_command(synq: Running, tmp_path: Path) -> None:
    assert synq.cli("--version").stdout == "synq 0.1.0\n"
    status = synq.cli("status")
    assert status.returncode == 0
    assert f"running: {synq.url}" in status.stdout
    assert "database: ok" in status.stdout
    token = synq.cli("token", "dora", "--scope", "job:submit", "--scope", "ml:infer").stdout
    assert token.count(".") == 2
    assert token.count("\n") == 1
    bad = synq.cli("token", "not a user")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "user id" in bad.stderr

    stopped = make_running(tmp_path)
    assert stopped.cli("status").returncode == 1
    assert stopped.cli("down").returncode == 0
    assert stopped.cli("token", "dora").stdout.count(".") == 2


def test_a_second_one_on_the_same_data_or_port_is_refused(synq: Running, tmp_path: Path) -> None:
    second = synq.cli("up")
    assert second.returncode == 2
    assert f"process {synq.process.pid if synq.process else ''}" in second.stderr
    other = make_running(tmp_path)
    other.environment["SYNQ_PORT"] = str(synq.port)
    refused = other.cli("up")
    assert refused.returncode == 2
    assert f"cannot listen on 127.0.0.1:{synq.port}" in refused.stderr
    assert synq.cli("status").returncode == 0
