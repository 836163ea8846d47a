"""The job runner: fans circuits out as Ray tasks, and survives whatever runs them.

A job is rows; this actor holds only which of them wait. Every result is committed before anybody
hears of it, so when this actor dies (its tasks die with it) the next incarnation reads the rows and
goes on with the circuits that have none. Seeds come from the job and the circuit's position: what
is run again gives the same counts.

What to run next is ``actors.schedule``'s business, how to run it ``quantum.tasks``'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.channels import ChannelHost
from actors.named import JOBS, call, ensure, find
from actors.schedule import MAX_ATTEMPTS, Batch, Scheduler, Task
from actors.stream import Offer
from cluster.errors import NotFound, Unavailable
from cluster.settings import Settings, get_settings
from cluster.storage import jobs as store
from cluster.storage.database import Database
from cluster.storage.models import Job
from cluster.telemetry import configure_logging, get_logger
from quantum.limits import Limits
from quantum.tasks import Outcome, Work, run_batch

log = get_logger(__name__)

CHANNEL = "job"
# A submission nudges; the sweep finds what a lost nudge left, and what was cancelled meanwhile.
SWEEP_S = 5.0
# Storage may be away for a moment; results wait, since they exist nowhere else.
RETRY_DELAY_S = 1.0
# Ray places a task by what it asks for; less than this is not worth an entry.
NOTABLE_MEMORY_BYTES = 64 << 20
ERROR_CHARACTERS = 2_000

# Imports Qiskit and Aer in a worker before the first user waits for it.
_WARM = Work(0, 'OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; h q[0];', "statevector", 1, 32)


class JobQueue(Protocol):
    """What the job service asks of the runner."""

    async def submit(self, job_id: str) -> None:
        """Hear of a queued job. A hint: rows that nobody announced are found as well."""

    async def cancel(self, job_id: str) -> None:
        """End what still runs of a job that is over by its row."""


class JobRunner:
    """See the module."""

    async def __init__(self) -> None:  # type: ignore[misc] # Ray awaits it
        self._settings = get_settings()
        configure_logging(self._settings)
        self._limits = Limits.of(self._settings)
        self._database = Database(self._settings, pool_size=2)
        self._scheduler = Scheduler(1)
        self._memory = 0.0
        self._channels = ChannelHost(authorize=self._authorize)
        self._running: dict[int, Any] = {}
        self._found: list[tuple[str, int, dict[str, Any]]] = []
        self._arrived = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        # Nobody calls a restarted actor: it takes up what is open by itself.
        self._started = asyncio.ensure_future(self._begin())

    async def start(self) -> None:
        """Answer once watchers are listened for and open jobs are taken up."""
        if self._started.done() and self._started.exception() is not None:
            self._started = asyncio.ensure_future(self._begin())
        await asyncio.shield(self._started)

    async def open_stream(self) -> Offer:
        """Return host, port and one-time secret of the progress stream, for one replica."""
        await self.start()
        return self._channels.offer()

    async def submit(self, job_id: str) -> None:
        """Hear of a queued job."""
        await self.start()
        async with self._database.read() as sql:
            job = await store.get(sql, job_id)
        if job is not None and job.status in store.OPEN:
            await self._take_up(job)

    async def cancel(self, job_id: str) -> None:
        """End what still runs of a job that is over by its row, and tell its watchers."""
        await self.start()
        self._drop(job_id)
        await self._announce(job_id)

    async def running(self) -> dict[str, int]:
        """Return how many batches run of each job; for operators and tests."""
        jobs = self._scheduler.jobs.values()
        return {queue.job: len(queue.running) for queue in jobs if queue.running}

    # --- starting and resuming --------------------------------------------------------------

    async def _begin(self) -> None:
        await self._channels.start()
        await self._look_at_cluster()
        await self._sweep()
        self._keep(self._store_results())
        self._keep(self._watch())
        self._keep(self._warm())

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_at_cluster(self) -> None:
        resources = await asyncio.to_thread(ray.cluster_resources)
        self._scheduler.cpus = max(1, int(resources.get("CPU", 1)))
        self._memory = resources.get("memory", 0.0)

    async def _warm(self) -> None:
        with contextlib.suppress(RayError):
            async for ref in run_batch.remote([_WARM], self._limits, shots=1, seed=0, threads=1):
                await ref

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self._look_at_cluster()
                await self._sweep()
            except Exception:
                log.exception("sweep of jobs failed, going on")

    async def _sweep(self) -> None:
        # What is submitted while we read is not among what we read.
        known = set(self._scheduler.jobs)
        async with self._database.read() as sql:
            open_jobs = await store.unfinished(sql)
        for lost in known - {job.id for job in open_jobs}:
            self._drop(lost)
        for job in open_jobs:
            await self._take_up(job)

    async def _take_up(self, job: Job) -> None:
        if job.id in self._scheduler.jobs:
            return
        async with self._database.read() as sql:
            outline = await store.outline(sql, job.id)
        tasks = [
            Task(position, plan["cost_ms"], plan["qubits"], plan["method"], plan["memory_bytes"])
            for position, plan, finished in outline
            if not finished
        ]
        added = self._scheduler.add(
            job.id, job.owner, tasks, total=job.total, shots=job.shots, seed=job.seed
        )
        if not added:
            return
        if not tasks:
            await self._finish(job.id)
        self._dispatch()

    def _drop(self, job_id: str) -> None:
        for batch in self._scheduler.drop(job_id):
            generator = self._running.get(batch.id)
            if generator is not None:
                ray.cancel(generator, force=True)

    # --- running ----------------------------------------------------------------------------

    def _dispatch(self) -> None:
        while (batch := self._scheduler.next()) is not None:
            self._keep(self._run(batch))

    async def _run(self, batch: Batch) -> None:
        finished = 0
        given_up: Task | None = None
        reason = ""
        try:
            generator = await self._launch(batch)
            if generator is None:
                return
            self._running[batch.id] = generator
            # The first item says that it runs: until then it waits for a CPU, however long.
            await _next(generator, None)
            for task in batch.tasks:
                outcome: Outcome = await _next(generator, self._settings.simulation_timeout_s)
                finished += 1
                self._found_result(batch, task, _result(outcome))
            self._scheduler.ended(batch)
        except TimeoutError:
            ray.cancel(self._running[batch.id], force=True)
            given_up = self._scheduler.overdue(batch, finished)
            reason = f"the simulation took longer than {self._settings.simulation_timeout_s:g} s"
        except RayError as error:
            # A batch that we ended ourselves, its job being over, ends here as well.
            if batch.job in self._scheduler.jobs:
                log.warning("simulation died", job=batch.job, cause=type(error).__name__)
            given_up = self._scheduler.broken(batch, finished)
            reason = f"its process died {MAX_ATTEMPTS} times: {_cause(error)}"
        except Exception:
            log.exception("batch failed", job=batch.job)
            await asyncio.sleep(RETRY_DELAY_S)
            given_up = self._scheduler.broken(batch, finished)
            reason = f"it could not be run {MAX_ATTEMPTS} times"
        finally:
            self._running.pop(batch.id, None)
            if given_up is not None:
                self._found_result(batch, given_up, {"error": reason})
            self._dispatch()

    async def _launch(self, batch: Batch) -> Any:
        async with self._database.session() as sql:
            await store.start(sql, batch.job)
            texts = await store.programs(sql, batch.job, [task.position for task in batch.tasks])
        queue = self._scheduler.jobs.get(batch.job)
        if queue is None:
            self._scheduler.ended(batch)
            return None
        works = [
            Work(task.position, texts[task.position], task.method, task.qubits, task.memory_bytes)
            for task in batch.tasks
        ]
        memory = max(work.memory_bytes for work in works)
        options: dict[str, Any] = {"num_cpus": batch.threads}
        if NOTABLE_MEMORY_BYTES <= memory <= self._memory:
            options["memory"] = memory
        return run_batch.options(**options).remote(
            works, self._limits, shots=queue.shots, seed=queue.seed, threads=batch.threads
        )

    # --- results ----------------------------------------------------------------------------

    def _found_result(self, batch: Batch, task: Task, result: dict[str, Any]) -> None:
        self._found.append((batch.job, task.position, result))
        self._arrived.set()

    async def _store_results(self) -> None:
        """Commit what has arrived, all that arrived meanwhile together, then tell of it."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            found, self._found = self._found, []
            while True:
                try:
                    async with self._database.session() as sql:
                        await store.store_results(sql, found)
                    break
                except Exception:
                    log.exception("results not stored, trying again", results=len(found))
                    await asyncio.sleep(RETRY_DELAY_S)
            for job_id in dict.fromkeys(job_id for job_id, _, _ in found):
                await self._progress(job_id, sum(1 for other, _, _ in found if other == job_id))

    async def _progress(self, job_id: str, stored: int) -> None:
        queue = self._scheduler.jobs.get(job_id)
        if queue is None:
            return
        queue.stored += stored
        if queue.stored < queue.total:
            self._channels.publish(
                f"{CHANNEL}:{job_id}",
                {
                    "status": "running",
                    "progress": queue.stored / queue.total,
                    "done": queue.stored,
                    "total": queue.total,
                },
            )
            return
        try:
            await self._finish(job_id)
        except Exception:
            # The sweep will find it: open, with nothing left to run.
            log.exception("job not finished", job=job_id)
            self._scheduler.drop(job_id)

    async def _finish(self, job_id: str) -> None:
        """Give a job whose circuits all have results its final status."""
        self._scheduler.drop(job_id)
        async with self._database.session() as sql:
            failed, first = await store.tally(sql, job_id)
            job = await store.get(sql, job_id)
            if job is None:
                return
            if failed < job.total:
                await store.finish(sql, job_id, "done")
            else:
                which = "the circuit" if job.total == 1 else f"all {job.total} circuits"
                error = f"{which} failed: {first}"
                await store.finish(sql, job_id, "failed", error[:ERROR_CHARACTERS])
        await self._announce(job_id)

    # --- watchers ---------------------------------------------------------------------------

    async def _announce(self, job_id: str) -> None:
        """Publish a job's end as it is stored, once it is stored."""
        state = await self._state(job_id)
        if state is not None and state["status"] not in store.OPEN:
            self._channels.publish(f"{CHANNEL}:{job_id}", state, final=True)

    async def _authorize(self, channel: str, user: str) -> dict[str, Any]:
        state = await self._state(channel.partition(":")[2], user)
        if state is None:
            raise NotFound(f"no channel {channel!r:.80}")
        return state

    async def _state(self, job_id: str, user: str | None = None) -> dict[str, Any] | None:
        async with self._database.read() as sql:
            job = await store.get(sql, job_id, user)
            if job is None:
                return None
            done = (await store.count_finished(sql, [job_id])).get(job_id, 0)
        return {
            "status": job.status,
            "progress": done / job.total,
            "done": done,
            "total": job.total,
            "error": job.error,
        }


async def _next(generator: Any, timeout_s: float | None) -> Any:
    async with asyncio.timeout(timeout_s):
        return await (await anext(generator))


def _result(outcome: Outcome) -> dict[str, Any]:
    return {"counts": outcome.counts} if outcome.error is None else {"error": outcome.error}


def _cause(error: RayError) -> str:
    return type(error).__name__.removesuffix("Error") or "unknown"


class RayJobQueue:
    """The runner, asked from another process."""

    async def submit(self, job_id: str) -> None:
        """See ``JobQueue``."""
        await self._call("submit", job_id)

    async def cancel(self, job_id: str) -> None:
        """See ``JobQueue``."""
        await self._call("cancel", job_id)

    async def _call(self, method: str, job_id: str) -> None:
        try:
            await call(getattr(handle(), method).remote(job_id))
        except RayError as error:
            raise Unavailable("the job runner does not answer; try again") from error


def start(_settings: Settings) -> ActorHandle:
    """Make sure that the runner runs; return its handle."""
    return ensure(JobRunner, JOBS)


def handle() -> ActorHandle:
    """Return the running actor.

    Raises:
        Unavailable: it does not run.
    """
    return find(JOBS)
