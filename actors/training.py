"""The trainer: training jobs that survive the death of whatever runs them.

A job is a row; this actor takes the open ones in order, one at a time, and gives each to a driver,
an actor of its own in which ``TorchTrainer.fit`` may block. So this one always answers, and ending
the driver ends all that Ray Train started for it. When this actor dies its driver dies with it; the
next incarnation finds the row still open and goes on from the last epoch's checkpoint.

Neither torch nor Qiskit is imported here; the driver does that.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from dataclasses import dataclass
from typing import Any, Protocol

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayError, RayTaskError

from actors.channels import ChannelHost
from actors.driver import Driver, reason, release_orphans, version_directory, version_path
from actors.named import TRAINER, call, ensure, find
from actors.stream import Offer
from cluster.errors import NotFound, Unavailable
from cluster.settings import Settings, get_settings
from cluster.storage import learning as store
from cluster.storage.database import Database
from cluster.storage.models import TrainingJob, new_id, now_ms
from cluster.telemetry import configure_logging, get_logger

log = get_logger(__name__)

CHANNEL = "training"
# A submission nudges; the poll finds what a lost nudge left.
POLL_S = 5.0
# A run that was ended keeps its CPUs until this looks: nothing else can use them meanwhile.
SWEEP_S = 2.0
# A job whose run died this often, whatever it reported between, is not tried again.
MAX_ATTEMPTS = 3
# A failed run may have died with its node; the next attempt waits for Ray to notice.
RETRY_DELAY_S = 2.0
ERROR_CHARACTERS = 2_000


class TrainingQueue(Protocol):
    """What the learning service asks of the trainer."""

    async def submit(self, job_id: str) -> None:
        """Hear of a queued job. A hint: rows that nobody announced are found as well."""

    async def cancel(self, job_id: str) -> None:
        """End a job, wherever it is."""


@dataclass(slots=True)
class _Run:
    """The job that is being trained now."""

    job_id: str
    token: str
    epochs: int
    driver: Any
    cancelled: bool = False


class Trainer:
    """See the module."""

    async def __init__(self) -> None:  # type: ignore[misc]  # Ray awaits it
        self._settings = get_settings()
        configure_logging(self._settings)
        self._database = Database(self._settings, pool_size=2)
        self._run: _Run | None = None
        self._nudge = asyncio.Event()
        self._channels = ChannelHost(authorize=self._authorize)
        self._worker: asyncio.Task[None] | None = None
        self._sweeper: asyncio.Task[None] | None = None
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

    async def submit(self, _job_id: str) -> None:
        """Hear of a queued job."""
        await self.start()
        self._nudge.set()

    async def cancel(self, job_id: str) -> None:
        """End a job, wherever it is; one that is over stays as it is."""
        await self.start()
        run = self._run
        if run is not None and run.job_id == job_id:
            run.cancelled = True
            ray.kill(run.driver)
        await self._finish(job_id, "cancelled")

    async def report(self, token: str, update: dict[str, Any]) -> None:
        """Take a driver's progress; what a run reports that is no longer ours is ignored."""
        run = self._run
        if run is None or run.token != token or run.cancelled:
            return
        if update["stage"] == "data":
            self._publish(run.job_id, {"status": "running", "epochs": run.epochs, **update})
            return
        metrics = update["metrics"]
        epoch = int(metrics["epoch"])
        fields = {"epoch": epoch, "progress": epoch / run.epochs, "metrics": metrics}
        async with self._database.session() as sql:
            changed = await store.change_training_job(sql, run.job_id, **fields)
        if changed and not run.cancelled:
            self._publish(run.job_id, {"status": "running", "epochs": run.epochs, **fields})

    async def running(self) -> str | None:
        """Return the id of the job in training; for operators and tests."""
        return self._run.job_id if self._run is not None else None

    # --- inside ----------------------------------------------------------------------------

    async def _begin(self) -> None:
        await register_shipped(self._database, self._settings)
        await self._channels.start()
        self._worker = asyncio.ensure_future(self._work())
        self._sweeper = asyncio.ensure_future(self._sweep())

    async def _authorize(self, channel: str, user: str) -> dict[str, Any]:
        job_id = channel.partition(":")[2]
        async with self._database.read() as sql:
            job = await store.training_job(sql, job_id, user)
        if job is None:
            raise NotFound(f"no channel {channel!r:.80}")
        return public_job(job)

    def _publish(self, job_id: str, data: dict[str, Any], *, final: bool = False) -> None:
        self._channels.publish(f"{CHANNEL}:{job_id}", data, final=final)

    async def _work(self) -> None:
        while True:
            try:
                job = await self._next()
                if job is not None:
                    await self._train(job)
                    continue
            except asyncio.CancelledError:
                raise
            except Exception:
                # Storage may be away for a moment; the row is still open.
                log.exception("training loop failed, going on")
                await asyncio.sleep(RETRY_DELAY_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudge.wait(), POLL_S)
            self._nudge.clear()

    async def _sweep(self) -> None:
        """Give back what ended runs held; they die a moment after whoever ended them."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                if found := await asyncio.to_thread(release_orphans):
                    log.info("resources of ended runs given back", groups=found)
            except Exception:
                log.exception("ended runs not looked for")

    async def _next(self) -> TrainingJob | None:
        async with self._database.read() as sql:
            waiting = await store.open_training_jobs(sql)
        return waiting[0] if waiting else None

    async def _train(self, job: TrainingJob) -> None:
        attempt = int(job.config.get("attempts", 0)) + 1
        if attempt > MAX_ATTEMPTS:
            await self._fail(job, f"the run was interrupted {MAX_ATTEMPTS} times")
            return
        async with self._database.session() as sql:
            config = {**job.config, "attempts": attempt}
            going = await store.change_training_job(
                sql,
                job.id,
                status="running",
                config=config,
                started_at=job.started_at or now_ms(),
            )
            if going and job.version_id is not None:
                await store.change_version(sql, job.version_id, status="training")
        if not going:
            return
        driver = ray.remote(Driver).options(num_cpus=0, max_restarts=0).remote()
        run = _Run(job.id, new_id(), int(config["epochs"]), driver)
        self._run = run
        progress = {"epoch": job.epoch, "epochs": run.epochs, "progress": job.progress}
        self._publish(job.id, {"status": "running", **progress})
        order = {
            "id": job.id,
            "version_id": job.version_id,
            "config": config,
            "token": run.token,
        }
        me = ray.get_runtime_context().current_actor
        try:
            async with asyncio.timeout(self._settings.training_timeout_s):
                outcome = await driver.run.remote(order, me)
        except TimeoutError:
            limit = self._settings.training_timeout_s
            await self._fail(job, f"training took longer than {limit:g} s")
        except RayTaskError as error:
            if not run.cancelled:
                log.warning("training failed", job=job.id, exc_info=error)
                await self._fail(job, reason(error))
        except (RayActorError, RayError):
            if not run.cancelled:
                log.warning("training run died", job=job.id, attempt=attempt)
                await asyncio.sleep(RETRY_DELAY_S)
        else:
            await self._complete(job, outcome)
        finally:
            self._run = None
            ray.kill(driver)

    async def _complete(self, job: TrainingJob, outcome: dict[str, Any]) -> None:
        card = outcome["card"]
        async with self._database.session() as sql:
            done = await store.change_training_job(
                sql, job.id, status="done", progress=1.0, metrics=card["metrics"]
            )
            if done and job.version_id is not None:
                await store.change_version(
                    sql,
                    job.version_id,
                    status="ready",
                    path=version_path(job.version_id),
                    sha256=outcome["sha256"],
                    card=card,
                )
        await self._announce(job.id)

    async def _fail(self, job: TrainingJob, reason: str) -> None:
        await self._finish(job.id, "failed", error=reason[:ERROR_CHARACTERS])

    async def _finish(self, job_id: str, status: str, **fields: Any) -> None:
        async with self._database.session() as sql:
            job = await store.training_job(sql, job_id)
            changed = await store.change_training_job(sql, job_id, status=status, **fields)
            if changed and job is not None and job.version_id is not None:
                await store.change_version(sql, job.version_id, status="failed")
        if changed:
            await self._announce(job_id)

    async def _announce(self, job_id: str) -> None:
        """Publish a job's end as it is stored, once it is stored."""
        async with self._database.read() as sql:
            job = await store.training_job(sql, job_id)
        if job is not None:
            self._publish(job_id, public_job(job), final=True)
        # The checkpoints were for going on; what is kept is the version.
        checkpoints = self._settings.data_dir / "training" / job_id
        await asyncio.to_thread(shutil.rmtree, checkpoints, ignore_errors=True)


class RayTrainingQueue:
    """The trainer, asked from another process."""

    async def submit(self, job_id: str) -> None:
        """See ``TrainingQueue``."""
        await self._call("submit", job_id)

    async def cancel(self, job_id: str) -> None:
        """See ``TrainingQueue``."""
        await self._call("cancel", job_id)

    async def _call(self, method: str, job_id: str) -> None:
        try:
            await call(getattr(handle(), method).remote(job_id))
        except RayError as error:
            raise Unavailable("the trainer does not answer; try again") from error


def public_job(job: TrainingJob) -> dict[str, Any]:
    """Return a training job as its owner sees it."""
    config = {key: value for key, value in job.config.items() if key != "attempts"}
    return {
        "id": job.id,
        "model_id": job.model_id,
        "status": job.status,
        "progress": job.progress,
        "epoch": job.epoch,
        "epochs": config.get("epochs"),
        "metrics": job.metrics,
        "version_id": job.version_id,
        "config": config,
        "error": job.error,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


async def register_shipped(database: Database, settings: Settings) -> None:
    """Register and deploy the version that ships, once; a newer one follows an older one."""
    from train.registry import copy_version, shipped

    for kind, (sha256, card) in shipped().items():
        async with database.session() as sql:
            model = await store.shipped_model(sql, kind)
            if model is None:
                name = str(card.get("name", kind))
                model = await store.create_model(sql, owner=None, name=name, kind=kind)
            known = [v for v in await store.versions(sql, model.id) if v.sha256 == sha256]
            if known and version_directory(settings, known[0].id).exists():
                continue
            row = known[0] if known else await store.add_version(sql, model.id, status="created")
            await asyncio.to_thread(copy_version, kind, version_directory(settings, row.id))
            path = version_path(row.id)
            await store.change_version(
                sql, row.id, status="ready", path=path, sha256=sha256, card=card
            )
            await store.deploy(sql, model.id, row.id)
        log.info("shipped model registered", kind=kind, model=model.id, version=row.number)


def start(_settings: Settings) -> ActorHandle:
    """Make sure that the trainer runs; its ``start`` answers once it is ready."""
    return ensure(Trainer, TRAINER)


def handle() -> ActorHandle:
    """Return the running actor.

    Raises:
        Unavailable: it does not run.
    """
    return find(TRAINER)
