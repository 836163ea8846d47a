"""The learning service over real databases: who sees what, what may be deployed, what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from sqlalchemy import select

from actors.circuits import Source
from actors.driver import version_directory
from actors.learning import MAX_OPEN_JOBS, LearningService
from actors.parser import CircuitParser
from actors.training import register_shipped
from cluster.errors import Conflict, Forbidden, InvalidInput, NotFound, SynqError, Unavailable
from cluster.settings import Settings
from cluster.storage import learning as store
from cluster.storage.database import Database
from cluster.storage.models import Prediction
from cluster.storage.users import ensure_user


class Reader:
    async def features(self, qasm: str) -> list[float]:
        if qasm == "bad":
            raise InvalidInput("line 1", code="bad_circuit")
        return [1.0, 2.0]


@dataclass
class Queue:
    told: list[str] = field(default_factory=list)
    away: bool = False

    async def submit(self, job_id: str) -> None:
        if self.away:
            raise Unavailable("away")
        self.told.append(job_id)

    async def cancel(self, job_id: str) -> None:
        await self.submit(f"cancel {job_id}")


@dataclass
class Networks:
    loaded: list[str] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)

    async def load(self, version: dict[str, str]) -> None:
        if version["id"] in self.refuse:
            raise SynqError("corrupt", code="bad_weights", status=409)
        self.loaded.append(version["id"])

    async def predict(self, version: dict[str, str], features: Sequence[float]) -> dict[str, Any]:
        assert list(features) == [1.0, 2.0]
        return {"labels": ["ghz", "qft"], "probabilities": [0.25, 0.75], "inference_ms": 0.5}


async def resolve(reference: dict[str, Any], user: str) -> Source:
    if reference.get("session_id") == "hidden":
        raise NotFound("no session 'hidden'")
    if reference.get("session_id"):
        return Source("text", session_id=reference["session_id"])
    return Source(reference["qasm"])


@dataclass
class World:
    service: LearningService
    database: Database
    queue: Queue
    networks: Networks

    async def version(self, model_id: str, status: str) -> str:
        async with self.database.session() as sql:
            row = await store.add_version(sql, model_id, status=status, path="p", sha256="0" * 64)
        return row.id


@pytest.fixture
def world(database: Database, settings: Settings) -> World:
    queue, networks = Queue(), Networks()
    service = LearningService(
        database,
        settings,
        parser=cast("CircuitParser", Reader()),
        queue=queue,
        inference=networks,
        resolve=resolve,
    )
    return World(service, database, queue, networks)


async def test_a_model_is_its_owners(world: World) -> None:
    model = await world.service.create_model("ada", name=" Mine ")
    assert model["name"] == "Mine"
    assert not model["shipped"]
    assert (await world.service.models("ada"))["total"] == 1
    assert (await world.service.models("eve")) == {"items": [], "total": 0}
    for attempt in (
        world.service.model(model["id"], "eve"),
        world.service.train("eve", model_id=model["id"]),
        world.service.deploy(model["id"], "eve"),
        world.service.predict_pattern("eve", circuit={"qasm": "x"}, model_id=model["id"]),
    ):
        with pytest.raises(NotFound):
            await attempt


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "a\x00b"])
async def test_names_are_names(world: World, name: str) -> None:
    with pytest.raises(InvalidInput):
        await world.service.create_model("ada", name=name)


async def test_kinds_are_known(world: World) -> None:
    with pytest.raises(InvalidInput, match="pattern-recognition"):
        await world.service.create_model("ada", name="x", kind="oracle")


async def test_only_a_finished_version_is_deployed(world: World) -> None:
    model = (await world.service.create_model("ada", name="m"))["id"]
    with pytest.raises(Conflict, match="no finished version") as caught:
        await world.service.deploy(model, "ada")
    assert caught.value.code == "not_ready"
    for status in ("created", "training", "failed", "archived"):
        version = await world.version(model, status)
        with pytest.raises(Conflict, match=status):
            await world.service.deploy(model, "ada", version_id=version)
    assert not world.networks.loaded
    with pytest.raises(Conflict, match="deployed"):
        await world.service.predict_pattern("ada", circuit={"qasm": "x"})

    first, newest = await world.version(model, "ready"), await world.version(model, "ready")
    assert (await world.service.deploy(model, "ada", version_id=first))["version_id"] == first
    assert (await world.service.deploy(model, "ada"))["version_id"] == newest
    assert world.networks.loaded == [first, newest]
    with pytest.raises(NotFound):
        await world.service.deploy(model, "ada", version_id="nothing")


async def test_another_models_version_is_not_this_models(world: World) -> None:
    mine = (await world.service.create_model("ada", name="a"))["id"]
    other = (await world.service.create_model("ada", name="b"))["id"]
    with pytest.raises(NotFound):
        await world.service.deploy(mine, "ada", version_id=await world.version(other, "ready"))


async def test_what_cannot_be_loaded_changes_nothing(world: World) -> None:
    model = (await world.service.create_model("ada", name="m"))["id"]
    good, bad = await world.version(model, "ready"), await world.version(model, "ready")
    await world.service.deploy(model, "ada", version_id=good)
    world.networks.refuse.add(bad)
    with pytest.raises(SynqError, match="corrupt"):
        await world.service.deploy(model, "ada", version_id=bad)
    assert (await world.service.model(model, "ada"))["deployed_version"] == good
    assert (await world.service.predict_pattern("ada", circuit={"qasm": "x"}))["model"] == {
        "id": model, "name": "m", "version": 1,
    }  # fmt: skip


async def test_a_prediction_is_ranked_and_kept(world: World) -> None:
    model = (await world.service.create_model("ada", name="m"))["id"]
    version = await world.version(model, "ready")
    await world.service.deploy(model, "ada")
    async with world.database.session() as sql:
        await ensure_user(sql, "ada")
    answer = await world.service.predict_pattern("ada", circuit={"session_id": "s1"})
    assert answer["predictions"] == [
        {"label": "qft", "confidence": 0.75}, {"label": "ghz", "confidence": 0.25},
    ]  # fmt: skip
    assert answer["confidence"] == 0.75
    assert answer["inference_ms"] == 0.5
    async with world.database.read() as sql:
        kept = (await sql.execute(select(Prediction))).scalar_one()
    assert (kept.user_id, kept.model_id, kept.version_id) == ("ada", model, version)
    assert (kept.session_id, kept.confidence) == ("s1", 0.75)
    for bad, error in (({"qasm": "bad"}, InvalidInput), ({"session_id": "hidden"}, NotFound)):
        with pytest.raises(error):
            await world.service.predict_pattern("ada", circuit=bad)


async def test_a_job_is_committed_before_it_is_announced(world: World) -> None:
    model = (await world.service.create_model("ada", name="m"))["id"]
    job = await world.service.train("ada", model_id=model, epochs=3)
    assert (job["status"], job["epochs"], job["progress"]) == ("queued", 3, 0.0)
    assert world.queue.told == [job["id"]]
    world.queue.away = True
    lost = await world.service.train("ada", model_id=model)
    assert (await world.service.training_job(lost["id"], "ada"))["status"] == "queued"
    with pytest.raises(NotFound):
        await world.service.training_job(job["id"], "eve")
    with pytest.raises(NotFound):
        await world.service.cancel(job["id"], "eve")
    # What cannot be reached cannot be said to be cancelled.
    with pytest.raises(Unavailable):
        await world.service.cancel(job["id"], "ada")
    versions = (await world.service.model(model, "ada"))["versions"]
    assert [(v["version"], v["status"]) for v in versions] == [(2, "created"), (1, "created")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0}, {"epochs": 501}, {"batch_size": 0}, {"learning_rate": 0.0},
        {"learning_rate": float("nan")}, {"samples": 5}, {"samples": 10**9}, {"seed": -1},
    ],
)  # fmt: skip
async def test_numbers_out_of_bounds_are_refused(world: World, wrong: dict[str, Any]) -> None:
    model = (await world.service.create_model("ada", name="m"))["id"]
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        await world.service.train("ada", model_id=model, **wrong)


async def test_the_queue_is_bounded(world: World) -> None:
    model = (await world.service.create_model("ada", name="m"))["id"]
    for _ in range(MAX_OPEN_JOBS):
        await world.service.train("ada", model_id=model)
    with pytest.raises(Unavailable, match=str(MAX_OPEN_JOBS)):
        await world.service.train("ada", model_id=model)


async def test_the_shipped_model_is_everyones_and_nobodys(
    world: World, database: Database, settings: Settings
) -> None:
    for _ in range(2):  # idempotent
        await register_shipped(database, settings)
    listed = await world.service.models("ada")
    assert listed["total"] == 1
    model = listed["items"][0]
    assert model["shipped"]
    detail = await world.service.model(model["id"], "eve")
    assert [v["status"] for v in detail["versions"]] == ["ready"]
    assert detail["deployed_version"] == detail["versions"][0]["id"]
    assert detail["versions"][0]["metrics"]["f1"] > 0.9
    with pytest.raises(Forbidden, match="of your own"):
        await world.service.train("ada", model_id=model["id"])
    with pytest.raises(Forbidden):
        await world.service.deploy(model["id"], "ada")
    asked = await world.service.predict_pattern("ada", circuit={"qasm": "x"})
    assert asked["model"]["id"] == model["id"]

    # One's own deployed model answers oneself before it, and nobody else.
    mine = (await world.service.create_model("ada", name="mine"))["id"]
    await world.version(mine, "ready")
    await world.service.deploy(mine, "ada")
    assert (await world.service.predict_pattern("ada", circuit={"qasm": "x"}))["model"][
        "id"
    ] == mine
    assert (await world.service.predict_pattern("eve", circuit={"qasm": "x"}))["model"][
        "id"
    ] == model["id"]


async def test_a_lost_file_of_the_shipped_model_is_put_back(
    database: Database, settings: Settings
) -> None:
    import shutil

    await register_shipped(database, settings)
    async with database.read() as sql:
        model = await store.shipped_model(sql, "pattern-recognition")
        assert model is not None
        (version,) = await store.versions(sql, model.id)
    directory = version_directory(settings, version.id)
    shutil.rmtree(directory)
    await register_shipped(database, settings)
    assert directory.exists()
