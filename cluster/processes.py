"""The processes of one SynQ on this machine: marking them, finding them, ending them.

Ray and HAProxy outlive a parent that was killed. Every process SynQ starts inherits a mark in its
environment that names the data directory; what carries the mark and has no living ``synq up`` above
it is a left-over, and no other process ever is.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from cluster.errors import SynqError

MARK = "SYNQ_INSTANCE"
# What was acknowledged is committed: there is nothing that would be worth waiting for.
TERM_TIMEOUT_S = 0.5
# A process that is just being started has no environment to see, and so no mark, for a moment.
QUIET_SCANS = 3
# What Ray itself gives all workers by default (`RAY_worker_niceness`).
BATCH_NICENESS = 15


class AlreadyRunning(SynqError):
    """Another ``synq up`` holds this data directory."""

    code = "already_running"


def spare_the_loop() -> None:
    """Keep the garbage collector from stopping a process that answers in milliseconds.

    A full collection walks everything that Ray, SQLAlchemy and the rest loaded: 90 ms, every few
    seconds of typing. What is there by now stays for good, so it is put out of the collector's
    sight; what comes later is freed by reference counts, and cycles are rare.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def give_way() -> None:
    """Put this process behind those that answer somebody: simulations and training can wait."""
    os.setpriority(os.PRIO_PROCESS, 0, BATCH_NICENESS)


def run_dir(data_dir: Path) -> Path:
    """Return the directory of run files, made if need be; closed to others."""
    path = data_dir.resolve() / "run"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """Hold the data directory; the system lets go of it when this process ends, however it does.

    Raises:
        AlreadyRunning: names the process that holds it.
    """
    with (run_dir(data_dir) / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            info = read_info(data_dir)
            holder = f" (process {info['pid']})" if info else ""
            raise AlreadyRunning(f"SynQ runs already on {data_dir.resolve()}{holder}") from error
        yield


def write_info(data_dir: Path, info: dict[str, Any]) -> None:
    """Leave word that this process runs, for ``synq status`` and ``synq down``."""
    process = psutil.Process()
    info = {"pid": process.pid, "started": process.create_time(), **info}
    path = run_dir(data_dir) / "info.json"
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(info, indent=2) + "\n")
    draft.replace(path)


def read_info(data_dir: Path) -> dict[str, Any] | None:
    """Return what runs, or None where nothing does."""
    try:
        info: dict[str, Any] = json.loads((run_dir(data_dir) / "info.json").read_text())
        process = psutil.Process(info["pid"])
        alive = process.is_running() and abs(process.create_time() - info["started"]) < 1.0
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
    return info if alive else None


def remove_info(data_dir: Path) -> None:
    """Take the word back."""
    (run_dir(data_dir) / "info.json").unlink(missing_ok=True)


def marked(data_dir: Path) -> list[psutil.Process]:
    """Return the processes that carry this data directory's mark, this one excepted."""
    mark = str(data_dir.resolve())
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and _mark_of(process) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or somebody else's
    return found


def _mark_of(process: psutil.Process) -> str | None:
    try:
        # psutil stops reading at an empty entry, which a process leaves that renames itself over
        # the start of its environment, as Ray's do.
        entries = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    except FileNotFoundError:
        value: str | None = process.environ().get(MARK)  # no /proc here
        return value
    name = f"{MARK}=".encode()
    return next((os.fsdecode(e.removeprefix(name)) for e in entries if e.startswith(name)), None)


def end_marked(data_dir: Path, *, timeout_s: float = TERM_TIMEOUT_S) -> int:
    """End every process of this data directory but this one; return how many there were.

    First politely, then not: HAProxy would wait for its last socket, Ray's workers for their tasks.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + timeout_s
    empty = 0
    while empty < QUIET_SCANS and time.monotonic() < deadline + 10.0:
        processes = marked(data_dir)
        empty = 0 if processes else empty + 1
        for process in processes:
            late = time.monotonic() > deadline
            if process.pid in ended and not late:
                continue
            ended.add(process.pid)
            try:
                process.send_signal(signal.SIGKILL if late else signal.SIGTERM)
            except psutil.Error:
                continue
        psutil.wait_procs(processes, timeout=0.1)
        time.sleep(0.05)
    return len(ended)
