"""The trainer on a real Ray: jobs get done, outlive their runs, and can be ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest
import ray

from actors import training
from cluster.settings import Settings
from cluster.storage import learning as store
from cluster.storage.database import Database
from cluster.storage.models import TrainingJob
from tests.local_ray import local_ray
from train.registry import load_version

__all__ = ["local_ray"]
pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


@pytest.fixture
async def tables(local_ray: Settings) -> AsyncIterator[Database]:
    database = Database(local_ray)
    await database.migrate()
    await training.start(local_ray).start.remote()
    try:
        yield database
    finally:
        await database.close()


async def submit(database: Database, epochs: int, **more: Any) -> TrainingJob:
    config = {"epochs": epochs, "batch_size": 64, "learning_rate": 0.001, "seed": 0, **more}
    async with database.session() as sql:
        model = await store.create_model(sql, owner="ada", name="m", kind="pattern-recognition")
        job = await store.create_training_job(sql, owner="ada", model_id=model.id, config=config)
    await training.handle().submit.remote(job.id)
    return job


async def until(
    database: Database, job: TrainingJob, check: Callable[[TrainingJob], bool], timeout_s: float
) -> TrainingJob:
    async with asyncio.timeout(timeout_s):
        while True:
            async with database.read() as sql:
                row = await store.training_job(sql, job.id)
            assert row is not None
            if check(row):
                return row
            assert row.status in ("queued", "running"), (row.status, row.error)
            await asyncio.sleep(0.1)


async def test_a_job_fills_its_version(tables: Database, local_ray: Settings) -> None:
    job = await submit(tables, epochs=2)
    done = await until(tables, job, lambda row: row.status == "done", 120)
    assert (done.epoch, done.progress, done.error) == (2, 1.0, None)
    assert done.metrics["accuracy"] > 0.5  # nineteen families: chance is 0.05
    async with tables.read() as sql:
        version = await store.version(sql, str(done.version_id))
    assert version is not None
    assert version.status == "ready"
    loaded = load_version(local_ray.data_dir / version.path, version.sha256)
    assert loaded.card["epochs"][1]["loss"] < loaded.card["epochs"][0]["loss"]
    assert loaded.card["training_job"] == job.id


def trainers(settings: Settings) -> list[int]:
    """Return the process ids of this Ray's trainer actors."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        command, environment = process.info["cmdline"], process.info["environ"] or {}
        if (
            command
            and command[0].startswith("ray::Trainer")
            and environment.get("SYNQ_DATA_DIR") == str(settings.data_dir)
        ):
            found.append(process.pid)
    return found


async def test_a_job_outlives_the_trainer_and_leaves_nothing_when_ended(
    tables: Database, local_ray: Settings
) -> None:
    job = await submit(tables, epochs=400)
    seen = await until(tables, job, lambda row: row.epoch >= 3, 120)
    (pid,) = trainers(local_ray)
    os.kill(pid, signal.SIGKILL)
    # It goes on by itself, and from a checkpoint: the first epoch does not come again.
    resumed = await until(tables, job, lambda row: row.config["attempts"] == 2, 60)
    epochs = [resumed.epoch]
    while epochs[-1] < seen.epoch + 5:
        row = await until(tables, job, lambda row: row.epoch != epochs[-1], 120)
        epochs.append(row.epoch)
    assert min(epochs) >= seen.epoch

    await training.handle().cancel.remote(job.id)
    ended = await until(tables, job, lambda row: row.status == "cancelled", 5)
    assert ended.finished_at is not None
    async with tables.read() as sql:
        version = await store.version(sql, str(ended.version_id))
    assert version is not None
    assert version.status == "failed"
    await all_cpus_free()
    await training.handle().cancel.remote(job.id)  # what is over stays as it is

    # Ended while its workers start: the same holds.
    early = await submit(tables, epochs=400)
    async with asyncio.timeout(60):
        while ray.available_resources().get("CPU") == 2:
            await asyncio.sleep(0.05)
    await training.handle().cancel.remote(early.id)
    await all_cpus_free()


async def all_cpus_free(timeout_s: float = 30) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while ray.available_resources().get("CPU") != 2:
        held = {k: v["state"] for k, v in ray.util.placement_group_table().items()}
        assert asyncio.get_running_loop().time() < deadline, held
        await asyncio.sleep(0.2)


async def test_a_run_that_fails_says_why(tables: Database) -> None:
    job = await submit(tables, epochs=1, samples="many")
    failed = await until(tables, job, lambda row: row.status == "failed", 60)
    assert "TypeError" in str(failed.error)
    assert "Traceback" not in str(failed.error)
