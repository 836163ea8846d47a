"""A client that can be stopped as a machine that goes to sleep: its socket stays open, silent."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from websockets.sync.client import connect

from tests.client import socket_url
from tests.conftest import ROOT, Running

CLIENT = "tab-vanishing"


async def start(synq: Running, session: str, user: str) -> subprocess.Popen[bytes]:
    """Start one; it subscribes, says where it is, and gives signs of life. End it by its pid."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.vanishing", socket_url(synq.url, session), session],
        cwd=ROOT,
        env={**synq.environment, "TOKEN": synq.token(user)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 30)
    assert line == b"here\n", line
    return process


def _run(url: str, session: str, token: str) -> None:
    with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        subscribe = {"type": "subscribe", "session": session, "client": CLIENT}
        socket.send(json.dumps(subscribe))
        while json.loads(socket.recv())["type"] != "subscribed":
            pass
        presence = {"type": "presence", "session": session, "client": CLIENT, "rev": 0}
        socket.send(json.dumps({**presence, "state": {"cursor": 1}}))
        print("here", flush=True)
        for _ in range(600):
            socket.send('{"type":"ping"}')
            while json.loads(socket.recv())["type"] != "pong":
                pass
            socket.ping().wait(0.2)


if __name__ == "__main__":
    import os

    _run(sys.argv[1], sys.argv[2], os.environ["TOKEN"])
