"""Simulation jobs as every surface sees them: submitting, looking, cancelling."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from actors.circuits import CircuitService, Source
from actors.parser import CircuitParser, inspect_all
from actors.runner import JobQueue
from cluster.errors import InvalidInput, NotFound, SynqError, TooLarge, Unavailable
from cluster.settings import Settings
from cluster.storage import jobs as store
from cluster.storage.database import Database
from cluster.storage.models import Job, now_ms
from cluster.telemetry import get_logger
from quantum.simulate import MAX_SEED

log = get_logger(__name__)

DEFAULT_SHOTS = 1_024
MAX_PAGE = 200
# References multiply: a thousand times one large session. What is stored stays bounded.
MAX_JOB_BYTES = 64 << 20
# Open jobs of one user; what waits longer than this is better submitted later.
MAX_OPEN_JOBS = 100


class TooManyJobs(SynqError):
    """The user has as many open jobs as one may have."""

    code = "too_many_jobs"
    status = 429
    retryable = True


class JobService:
    """What one may do with jobs. Another's job does not exist for one."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        circuits: CircuitService,
        parser: CircuitParser,
        queue: JobQueue,
    ) -> None:
        self._database = database
        self._settings = settings
        self._circuits = circuits
        self._parser = parser
        self._queue = queue

    async def submit(
        self,
        user: str,
        *,
        circuits: Sequence[dict[str, Any]],
        shots: int = DEFAULT_SHOTS,
        seed: int | None = None,
    ) -> dict[str, Any]:
        """Queue circuits to be simulated; durable when this returns.

        A circuit that cannot be read refuses the whole job. One that can, but that no simulator
        here could run (too wide, unbound parameters), becomes a result with ``error``.

        Raises:
            InvalidInput: the request, or a circuit of it, is none; ``index`` says which.
            TooLarge: the circuits are more text than a job may have.
            TooManyJobs: too many of this user's are open.
        """
        self._check(circuits, shots, seed)
        sources = []
        for index, reference in enumerate(circuits):
            try:
                sources.append(await self._circuits.resolve(reference, user))
            except SynqError as error:
                raise _of_circuit(index, error) from None
        size = sum(len(source.qasm) for source in sources)
        if size > MAX_JOB_BYTES:
            raise TooLarge(f"expected circuits of at most {MAX_JOB_BYTES:,} bytes, got {size:,}")
        plans = await inspect_all(self._parser, [source.qasm for source in sources], shots)
        for index, plan in enumerate(plans):
            if isinstance(plan, SynqError):
                raise _of_circuit(index, plan)
        rows = [
            _row(source, plan)
            for source, plan in zip(sources, plans, strict=True)
            if not isinstance(plan, SynqError)
        ]
        async with self._database.session() as sql:
            if await store.count_open(sql, user) >= MAX_OPEN_JOBS:
                raise TooManyJobs(f"{MAX_OPEN_JOBS} jobs are open; wait for one, or cancel one")
            job = await store.create(
                sql,
                owner=user,
                shots=shots,
                # A person may want to type it again, and JavaScript to read it exactly.
                seed=secrets.randbelow(2**31) if seed is None else seed,
                circuits=rows,
            )
        await self._tell(self._queue.submit, job.id)
        return {"id": job.id}

    async def get(self, job_id: str, user: str) -> dict[str, Any]:
        """Return a job with the results it has.

        Raises:
            NotFound: this user has none of that id.
        """
        async with self._database.read() as sql:
            job = await store.get(sql, job_id, user)
            if job is None:
                raise NotFound(f"no job {job_id!r:.80}")
            results = await store.results(sql, job_id)
        finished = sum(1 for result in results if result is not None)
        return {**_public(job, finished), "results": results}

    async def list(self, user: str, *, limit: int = 50, offset: int = 0) -> dict[str, Any]:
        """Return a page of the user's jobs, newest first, without results."""
        if not (1 <= limit <= MAX_PAGE and offset >= 0):
            raise InvalidInput(f"expected limit 1 to {MAX_PAGE} and offset from 0")
        async with self._database.read() as sql:
            rows, total = await store.page(sql, user, limit=limit, offset=offset)
        return {"items": [_public(job, finished) for job, finished in rows], "total": total}

    async def cancel(self, job_id: str, user: str) -> dict[str, Any]:
        """End a job; one that is over stays as it is. Returns it as it then is."""
        async with self._database.session() as sql:
            if await store.get(sql, job_id, user) is None:
                raise NotFound(f"no job {job_id!r:.80}")
            ended = await store.finish(sql, job_id, "cancelled")
        if ended:
            await self._tell(self._queue.cancel, job_id)
        return await self.get(job_id, user)

    def _check(self, circuits: Sequence[dict[str, Any]], shots: int, seed: int | None) -> None:
        most = self._settings.max_job_circuits
        if not 1 <= len(circuits) <= most:
            raise InvalidInput(f"expected 1 to {most:,} circuits, got {len(circuits):,}")
        if not 1 <= shots <= self._settings.max_shots:
            raise InvalidInput(f"expected 1 to {self._settings.max_shots:,} shots, got {shots:,}")
        if seed is not None and not 0 <= seed <= MAX_SEED:
            raise InvalidInput(f"expected a seed of 0 to {MAX_SEED}, got {seed}")

    async def _tell(self, verb: Any, job_id: str) -> None:
        """Tell the runner. What is stored stands: it sweeps for what it was not told."""
        try:
            await verb(job_id)
        except Unavailable as error:
            log.warning("job runner not told", job=job_id, cause=error.message)


def _row(source: Source, plan: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "qasm": source.qasm,
        "circuit_id": source.circuit_id,
        "session_id": source.session_id,
        "plan": plan["plan"] or {},
    }
    if plan["refusal"] is not None:
        row |= {"result": {"error": plan["refusal"]}, "finished_at": now_ms()}
    return row


def _of_circuit(index: int, error: SynqError) -> SynqError:
    """Return ``error`` saying which of a job's circuits it is about."""
    return SynqError(
        f"circuits[{index}]: {error.message}",
        code=error.code,
        status=error.status,
        retryable=error.retryable,
        details={**error.details, "index": index},
    )


def _public(job: Job, finished: int) -> dict[str, Any]:
    return {
        "id": job.id,
        "status": job.status,
        "progress": finished / job.total,
        "done": finished,
        "total": job.total,
        "shots": job.shots,
        "seed": job.seed,
        "error": job.error,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }
