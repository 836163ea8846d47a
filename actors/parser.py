"""The reader of untrusted circuits: a Ray actor in front of one warm sandboxed process.

Every surface that takes program text (parsing for a page, storing, submitting jobs, asking a model)
asks here. The actor queues, the sandbox bounds: a program that hangs or crashes a parser costs its
own caller an error and the others some waiting, never the process they wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Protocol, cast

from ray.actor import ActorHandle
from ray.exceptions import RayActorError

from actors.analysis import refused
from actors.named import PARSER, call, ensure, find
from actors.sandbox import Request, Sandbox
from cluster.errors import InvalidInput, SynqError, Unavailable
from cluster.settings import Settings, get_settings
from quantum.limits import BadCircuit, Limits
from quantum.plan import allowed_memory
from quantum.scan import check_text

# Beyond what a warm process has. The greediest parser takes 5 KB and 0.4 ms a statement (measured),
# so a program that ends within the default time needs some 150 MiB.
MEMORY_BYTES = 1 << 30
# Programs waiting at once; each is read in milliseconds, so a longer queue means an attack.
MAX_WAITING = 256
# A waiting caller is served after those before it, each of which may take the whole timeout.
PATIENCE = 6


class CircuitParser(Protocol):
    """Reads untrusted programs. Raises what ``actors.analysis`` does, or ``too_complex``."""

    async def analyze(self, qasm: str) -> dict[str, Any]:
        """Return the answer of ``POST /circuits/parse``."""

    async def inspect(self, qasm: str, shots: int | None = None) -> dict[str, Any]:
        """Return summary and, with ``shots``, the simulation's plan or why there is none."""

    async def features(self, qasm: str) -> list[float]:
        """Return the feature vector of the program."""

    async def to_circuit(self, qasm: str) -> dict[str, Any]:
        """Return ``{"state": circuit document, "notes": […]}`` of a program."""

    async def to_text(self, state: dict[str, Any], version: int) -> dict[str, Any]:
        """Return ``{"text": program, "notes": […]}`` of a circuit document."""

    async def export(self, kind: str, state: str | dict[str, Any], format: str) -> dict[str, Any]:
        """Return ``{"media_type", "encoding", "data", "notes"}`` of a document as a file."""


class LocalParser:
    """A sandbox behind a bounded queue, in this process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limits = Limits.of(settings)
        self.sandbox = Sandbox(
            "actors.analysis", timeout_s=settings.parse_timeout_s, memory_bytes=MEMORY_BYTES
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sandbox")
        self._waiting = 0

    async def start(self) -> None:
        """Start the process and wait until it is warm."""
        await self._run(self.sandbox.start)

    async def analyze(self, qasm: str) -> dict[str, Any]:
        """Return the answer of ``POST /circuits/parse``."""
        try:
            return cast("dict[str, Any]", await self._ask("analyze", qasm))
        except BadCircuit as error:
            return refused(error)

    async def inspect(self, qasm: str, shots: int | None = None) -> dict[str, Any]:
        """Return summary and, with ``shots``, the simulation's plan or why there is none."""
        memory = allowed_memory(self._settings)
        answer = await self._ask("inspect", qasm, shots=shots, memory_bytes=memory)
        return cast("dict[str, Any]", answer)

    async def features(self, qasm: str) -> list[float]:
        """Return the feature vector of the program."""
        return cast("list[float]", await self._ask("features", qasm))

    async def to_circuit(self, qasm: str) -> dict[str, Any]:
        """Return the circuit document of a program, and notes of what it does not keep."""
        return cast("dict[str, Any]", await self._ask("to_circuit", qasm))

    async def to_text(self, state: dict[str, Any], version: int) -> dict[str, Any]:
        """Return the program of a circuit document, and notes of what it does not keep."""
        if version not in (2, 3):
            raise InvalidInput(f"expected OpenQASM version 2 or 3, got {version!r:.80}")
        request = {"op": "to_text", "state": state, "version": version}
        return cast("dict[str, Any]", await self._send(request))

    async def export(self, kind: str, state: str | dict[str, Any], format: str) -> dict[str, Any]:
        """Return a document as a file in another tool's format."""
        if isinstance(state, str):
            check_text(state, self._limits)
        request = {
            "op": "export",
            "kind": kind,
            "state": state,
            "format": format,
            "limits": asdict(self._limits),
        }
        return cast("dict[str, Any]", await self._send(request))

    async def close(self) -> None:
        """End the process."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self.sandbox.close)

    async def _ask(self, op: str, qasm: str, **more: Any) -> Any:
        check_text(qasm, self._limits)
        return await self._send({"op": op, "qasm": qasm, "limits": asdict(self._limits), **more})

    async def _send(self, request: Request) -> Any:
        if self._waiting >= MAX_WAITING:
            raise Unavailable(f"{MAX_WAITING} programs are waiting to be read; try again")
        self._waiting += 1
        try:
            return await self._run(self.sandbox.call, request)
        finally:
            self._waiting -= 1

    async def _run(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


class ParserActor:
    """The Ray shell."""

    async def __init__(self) -> None:  # type: ignore[misc] # Ray awaits it
        self._parser = LocalParser(get_settings())
        await self._parser.start()

    async def ready(self) -> bool:
        """Answer once the process is warm."""
        return True

    async def analyze(self, qasm: str) -> dict[str, Any]:
        """See ``CircuitParser``."""
        return await self._parser.analyze(qasm)

    async def inspect(self, qasm: str, shots: int | None) -> dict[str, Any]:
        """See ``CircuitParser``."""
        return await self._parser.inspect(qasm, shots)

    async def features(self, qasm: str) -> list[float]:
        """See ``CircuitParser``."""
        return await self._parser.features(qasm)

    async def to_circuit(self, qasm: str) -> dict[str, Any]:
        """See ``CircuitParser``."""
        return await self._parser.to_circuit(qasm)

    async def to_text(self, state: dict[str, Any], version: int) -> dict[str, Any]:
        """See ``CircuitParser``."""
        return await self._parser.to_text(state, version)

    async def export(self, kind: str, state: str | dict[str, Any], format: str) -> dict[str, Any]:
        """See ``CircuitParser``."""
        return await self._parser.export(kind, state, format)


class RayParser:
    """The actor, asked from another process."""

    def __init__(self, actor: ActorHandle, settings: Settings) -> None:
        self._actor = actor
        self._timeout_s = PATIENCE * settings.parse_timeout_s

    async def analyze(self, qasm: str) -> dict[str, Any]:
        """See ``CircuitParser``."""
        return cast("dict[str, Any]", await self._call(self._actor.analyze.remote(qasm)))

    async def inspect(self, qasm: str, shots: int | None = None) -> dict[str, Any]:
        """See ``CircuitParser``."""
        return cast("dict[str, Any]", await self._call(self._actor.inspect.remote(qasm, shots)))

    async def features(self, qasm: str) -> list[float]:
        """See ``CircuitParser``."""
        return cast("list[float]", await self._call(self._actor.features.remote(qasm)))

    async def to_circuit(self, qasm: str) -> dict[str, Any]:
        """See ``CircuitParser``."""
        return cast("dict[str, Any]", await self._call(self._actor.to_circuit.remote(qasm)))

    async def to_text(self, state: dict[str, Any], version: int) -> dict[str, Any]:
        """See ``CircuitParser``."""
        answer = await self._call(self._actor.to_text.remote(state, version))
        return cast("dict[str, Any]", answer)

    async def export(self, kind: str, state: str | dict[str, Any], format: str) -> dict[str, Any]:
        """See ``CircuitParser``."""
        answer = await self._call(self._actor.export.remote(kind, state, format))
        return cast("dict[str, Any]", answer)

    async def _call(self, ref: Any) -> Any:
        try:
            return await call(ref, self._timeout_s)
        except RayActorError:
            raise Unavailable("the reader of circuits is being restarted; try again") from None


async def inspect_all(
    parser: CircuitParser, programs: Sequence[str], shots: int | None
) -> list[dict[str, Any] | SynqError]:
    """Inspect many programs, each distinct text once, a few at a time so that others get turns."""
    distinct = list(dict.fromkeys(programs))
    answers: dict[str, dict[str, Any] | SynqError] = {}
    turns = asyncio.Semaphore(4)

    async def one(qasm: str) -> None:
        async with turns:
            try:
                answers[qasm] = await parser.inspect(qasm, shots)
            except SynqError as error:
                if error.retryable:
                    raise
                answers[qasm] = error

    async with asyncio.TaskGroup() as group:
        for qasm in distinct:
            group.create_task(one(qasm))
    return [answers[qasm] for qasm in programs]


def start(_settings: Settings) -> ActorHandle:
    """Make sure that the reader runs; return its handle."""
    return ensure(ParserActor, PARSER, max_concurrency=2 * MAX_WAITING)


def handle() -> ActorHandle:
    """Return the running reader.

    Raises:
        Unavailable: it does not run.
    """
    return find(PARSER)
