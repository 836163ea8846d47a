"""A warm child process that does one thing at a time to untrusted input, and may be killed.

Qiskit's parsers are native code and ANTLR: none of them can be interrupted, any of them may exhaust
memory or overflow its stack on the right input. So they run in a process of their own that holds no
secrets, speaks only through a pipe, and has hard bounds on time and memory. When it breaks one, it
is ended and another takes its place; the caller learns that its input was too complex.

``Sandbox`` is the parent's side, ``serve`` the child's.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import msgspec

from cluster.errors import InvalidInput, SynqError, Unavailable

_LENGTH = struct.Struct("!I")
# Importing Qiskit takes about a second here; a machine twenty times as slow still starts.
START_TIMEOUT_S = 60.0
# The child ends itself this much later than the parent would have: only if the parent is gone.
ORPHAN_S = 5.0
# The child keeps what it needs to find Python and nothing else: no keys, no addresses.
_KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS")

Request = dict[str, Any]
Handler = Callable[[Request], Any]


class TooComplex(InvalidInput):
    """The input needs more time or memory than is allowed; what it is was not established."""

    code = "too_complex"


class Sandbox:
    """One child process running ``python -m module``; not safe for concurrent calls."""

    def __init__(self, module: str, *, timeout_s: float, memory_bytes: int) -> None:
        self._module = module
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the child, if there is none, and wait until it is warm."""
        with self._lock:
            self._ensure()

    def call(self, request: Request) -> Any:
        """Ask the child and return its answer.

        Raises:
            TooComplex: it took longer than the timeout, or died of the input.
            SynqError: what the child's handler raised.
        """
        with self._lock:
            process = self._ensure()
            deadline = time.monotonic() + self._timeout_s
            try:
                _write(process.stdin, msgspec.msgpack.encode(request))
                answer = self._read(process, deadline)
            except TimeoutError:
                self._end()
                raise TooComplex(
                    f"reading this takes longer than {self._timeout_s:g} s; simplify or split it"
                ) from None
            except (OSError, EOFError):
                self._end()
                raise TooComplex(
                    "reading this needs more memory or deeper nesting than is allowed "
                    f"({self._memory_bytes:,} bytes); simplify or split it"
                ) from None
        return _outcome(answer)

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _ensure(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # Native thread pools would cost address space, which is what the memory bound counts.
        environment |= dict.fromkeys(
            ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
        )
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [
                sys.executable,
                "-m",
                self._module,
                str(self._timeout_s + ORPHAN_S),
                str(self._memory_bytes),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            self._read(self._process, time.monotonic() + START_TIMEOUT_S)
        except (OSError, EOFError, TimeoutError) as error:
            self._end()
            raise Unavailable(f"the process that reads circuits did not start: {error!r}") from None
        return self._process

    def _read(self, process: subprocess.Popen[bytes], deadline: float) -> bytes:
        assert process.stdout is not None  # noqa: S101 - opened as a pipe
        descriptor = process.stdout.fileno()
        (length,) = _LENGTH.unpack(_exactly(descriptor, _LENGTH.size, deadline))
        return _exactly(descriptor, length, deadline)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        process.wait()


def _exactly(descriptor: int, size: int, deadline: float) -> bytes:
    chunks = bytearray()
    while len(chunks) < size:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not select.select([descriptor], [], [], remaining)[0]:
            raise TimeoutError
        chunk = os.read(descriptor, min(size - len(chunks), 1 << 20))
        if not chunk:
            raise EOFError
        chunks += chunk
    return bytes(chunks)


def _write(pipe: Any, payload: bytes) -> None:
    pipe.write(_LENGTH.pack(len(payload)) + payload)
    pipe.flush()


def _outcome(answer: bytes) -> Any:
    decoded = msgspec.msgpack.decode(answer)
    error = decoded.get("error")
    if error is None:
        return decoded["result"]
    message = error.pop("message")
    raise SynqError(message, **error)


def serve(handlers: Mapping[str, Handler], warm: Callable[[], None], arguments: list[str]) -> None:
    """Answer requests from standard input until it closes; the child's whole life."""
    alarm_s, memory_bytes = float(arguments[0]), int(arguments[1])
    # Whatever prints (native parsers do) must not land between two answers.
    answers = os.fdopen(os.dup(1), "wb")
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    requests = sys.stdin.buffer
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm()
    _limit_memory(memory_bytes)
    _write(answers, b"ready")
    while True:
        header = requests.read(_LENGTH.size)
        if len(header) < _LENGTH.size:
            return
        payload = requests.read(_LENGTH.unpack(header)[0])
        signal.setitimer(signal.ITIMER_REAL, alarm_s)
        _answer(handlers, payload, answers)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(handlers: Mapping[str, Handler], payload: bytes, answers: BinaryIO) -> None:
    try:
        request = msgspec.msgpack.decode(payload)
        answer: dict[str, Any] = {"result": handlers[request["op"]](request)}
    except SynqError as error:
        names = ("message", "code", "status", "retryable", "details")
        answer = {"error": {name: getattr(error, name) for name in names}}
    except MemoryError:
        # What is left may not suffice to go on: a fresh process costs a second, once.
        os._exit(1)
    _write(answers, msgspec.msgpack.encode(answer))


def _limit_memory(memory_bytes: int) -> None:
    """Allow ``memory_bytes`` of address space beyond what the warm process has."""
    with open("/proc/self/statm", "rb") as status:
        pages = int(status.read().split()[0])
    limit = pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
