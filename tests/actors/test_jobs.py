"""Circuits and jobs as services, over both databases, with the real reader and no runner."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.circuits import CircuitService
from actors.jobs import MAX_OPEN_JOBS, JobService, TooManyJobs
from actors.parser import LocalParser
from cluster.errors import InvalidInput, NotFound, SynqError, TooLarge, Unavailable
from cluster.settings import Settings, load_settings
from cluster.storage import jobs as store
from cluster.storage.database import Database
from tests.quantum.programs import BELL, BELL_3, QELIB, STDGATES, wide

SESSIONS = {"s1": BELL_3, "empty": ""}


@dataclasses.dataclass
class Told:
    """A runner that only listens."""

    submitted: list[str] = dataclasses.field(default_factory=list)
    cancelled: list[str] = dataclasses.field(default_factory=list)
    away: bool = False

    async def submit(self, job_id: str) -> None:
        if self.away:
            raise Unavailable("away")
        self.submitted.append(job_id)

    async def cancel(self, job_id: str) -> None:
        if self.away:
            raise Unavailable("away")
        self.cancelled.append(job_id)


async def session_text(session_id: str, user: str) -> str:
    if session_id not in SESSIONS or user == "mallory":
        raise NotFound(f"no session {session_id!r}")
    return SESSIONS[session_id]


@pytest.fixture(scope="module")
async def parser() -> AsyncIterator[LocalParser]:
    parser = LocalParser(load_settings())
    await parser.start()
    yield parser
    await parser.close()


@pytest.fixture
def circuits(database: Database, parser: LocalParser) -> CircuitService:
    return CircuitService(database, parser, session_text)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def jobs(
    database: Database,
    settings: Settings,
    circuits: CircuitService,
    parser: LocalParser,
    told: Told,
) -> JobService:
    return JobService(database, settings, circuits, parser, told)


async def test_circuits_are_stored_and_are_ones_own(circuits: CircuitService) -> None:
    made = await circuits.create("ada", name=" bell ", qasm=BELL)
    assert made["name"] == "bell"
    assert (made["format"], made["qubits"], made["clbits"], made["gates"]) == ("qasm2", 2, 2, 4)
    assert await circuits.get(made["id"], "ada") == made
    page = await circuits.list("ada")
    assert page == {"items": [made], "total": 1}
    assert (await circuits.list("bob"))["total"] == 0
    with pytest.raises(NotFound):
        await circuits.get(made["id"], "bob")


async def test_bad_circuits_are_not_stored(circuits: CircuitService) -> None:
    with pytest.raises(SynqError) as refused:
        await circuits.create("ada", name="bad", qasm="qubit q")
    assert refused.value.code == "bad_circuit"
    assert refused.value.status == 422
    assert refused.value.details["diagnostics"]
    for name in ("", " ", "x" * 201, "a\x00b", "a\nb"):
        with pytest.raises(InvalidInput):
            await circuits.create("ada", name=name, qasm=BELL)
    with pytest.raises(SynqError):
        await circuits.create("ada", name="nul", qasm=BELL + "// \x00")
    assert (await circuits.list("ada"))["total"] == 0


async def test_references_are_resolved(circuits: CircuitService) -> None:
    made = await circuits.create("ada", name="bell", qasm=BELL)
    assert (await circuits.resolve({"qasm": "text"}, "ada")).qasm == "text"
    assert (await circuits.resolve({"circuit_id": made["id"]}, "ada")).qasm == BELL
    assert (await circuits.resolve({"session_id": "s1"}, "ada")).qasm == BELL_3
    for unknown in ({"circuit_id": "none"}, {"session_id": "none"}):
        with pytest.raises(NotFound):
            await circuits.resolve(unknown, "ada")
    with pytest.raises(NotFound):
        await circuits.resolve({"session_id": "s1"}, "mallory")
    for bad in ({}, {"qasm": "a", "circuit_id": "b"}, {"other": "a"}, {"qasm": 1}):
        with pytest.raises(InvalidInput):
            await circuits.resolve(bad, "ada")


async def test_a_job_is_durable_before_its_id_is_known(jobs: JobService, told: Told) -> None:
    submitted = await jobs.submit(
        "ada", circuits=[{"qasm": BELL}, {"session_id": "s1"}], shots=10, seed=4
    )
    assert told.submitted == [submitted["id"]]
    job = await jobs.get(submitted["id"], "ada")
    assert job["status"] == "queued"
    assert job["progress"] == 0
    assert (job["shots"], job["seed"], job["total"]) == (10, 4, 2)
    assert job["results"] == [None, None]
    listed = await jobs.list("ada")
    assert listed["total"] == 1
    assert "results" not in listed["items"][0]
    with pytest.raises(NotFound):
        await jobs.get(submitted["id"], "bob")
    with pytest.raises(NotFound):
        await jobs.cancel(submitted["id"], "bob")


async def test_a_seed_is_made_and_told(jobs: JobService) -> None:
    submitted = await jobs.submit("ada", circuits=[{"qasm": BELL}])
    seed = (await jobs.get(submitted["id"], "ada"))["seed"]
    assert 0 <= seed < 2**31


@pytest.mark.parametrize(
    ("circuits_", "options", "words"),
    [
        ([], {}, ["1 to 1,000 circuits"]),
        ([{"qasm": BELL}] * 1_001, {}, ["1,001"]),
        ([{"qasm": BELL}], {"shots": 0}, ["1 to 1,000,000 shots"]),
        ([{"qasm": BELL}], {"shots": 1_000_001}, ["1,000,001"]),
        ([{"qasm": BELL}], {"seed": -1}, ["seed"]),
        ([{"qasm": BELL}], {"seed": 2**63}, ["seed"]),
        ([{"qasm": BELL}, {"qasm": "qubit q"}], {}, ["circuits[1]", "line 1"]),
        ([{"qasm": BELL}, {"circuit_id": "none"}], {}, ["circuits[1]", "'none'"]),
        ([{"qasm": BELL}, {}], {}, ["circuits[1]", "exactly one"]),
        ([{"session_id": "empty"}], {}, ["circuits[0]", "empty"]),
        ([{"qasm": "OPENQASM 3.0; qubit[2000000000] q;"}], {}, ["2,000,000,000"]),
    ],
)
async def test_bad_jobs_are_refused_whole(
    jobs: JobService, told: Told, circuits_: Any, options: Any, words: list[str]
) -> None:
    with pytest.raises(SynqError) as refused:
        await jobs.submit("ada", circuits=circuits_, **options)
    assert refused.value.status in (404, 422)
    for word in words:
        assert word in refused.value.message
    if "circuits[1]" in words:
        assert refused.value.details["index"] == 1
    assert told.submitted == []
    assert (await jobs.list("ada"))["total"] == 0


async def test_what_cannot_be_simulated_is_a_result(jobs: JobService) -> None:
    unbound = STDGATES + "input float theta; qubit q; rx(theta) q;"
    submitted = await jobs.submit(
        "ada", circuits=[{"qasm": wide(200)}, {"qasm": BELL}, {"qasm": unbound}]
    )
    first, second, third = (await jobs.get(submitted["id"], "ada"))["results"]
    assert "2^200" in first["error"]
    assert second is None
    assert "theta" in third["error"]


async def test_a_job_of_too_much_text_is_refused(jobs: JobService) -> None:
    large = QELIB + "qreg q[1];" + "x q[0];" + " " * 1_000_000
    with pytest.raises(TooLarge, match="67,108,864"):
        await jobs.submit("ada", circuits=[{"qasm": large}] * 70)


async def test_cancelling(jobs: JobService, told: Told) -> None:
    submitted = await jobs.submit("ada", circuits=[{"qasm": BELL}])
    assert (await jobs.cancel(submitted["id"], "ada"))["status"] == "cancelled"
    assert told.cancelled == [submitted["id"]]
    # Once over, over.
    assert (await jobs.cancel(submitted["id"], "ada"))["status"] == "cancelled"
    assert len(told.cancelled) == 1


async def test_an_absent_runner_costs_nothing(jobs: JobService, told: Told) -> None:
    told.away = True
    submitted = await jobs.submit("ada", circuits=[{"qasm": BELL}])
    assert (await jobs.get(submitted["id"], "ada"))["status"] == "queued"
    assert (await jobs.cancel(submitted["id"], "ada"))["status"] == "cancelled"


async def test_open_jobs_are_bounded(jobs: JobService, database: Database) -> None:
    async with database.session() as sql:
        for _ in range(MAX_OPEN_JOBS):
            await store.create(sql, owner="ada", shots=1, seed=1, circuits=[])
    with pytest.raises(TooManyJobs) as refused:
        await jobs.submit("ada", circuits=[{"qasm": BELL}])
    assert refused.value.status == 429
    assert refused.value.retryable
    await jobs.submit("bob", circuits=[{"qasm": BELL}])


async def test_the_first_result_stands(jobs: JobService, database: Database) -> None:
    job_id = (await jobs.submit("ada", circuits=[{"qasm": BELL}, {"qasm": BELL}]))["id"]
    async with database.session() as sql:
        await store.start(sql, job_id)
        await store.store_results(sql, [(job_id, 0, {"counts": {"00": 1}})])
        await store.store_results(
            sql, [(job_id, 0, {"counts": {"11": 1}}), (job_id, 1, {"error": "no"})]
        )
    job = await jobs.get(job_id, "ada")
    assert job["results"] == [{"counts": {"00": 1}}, {"error": "no"}]
    assert (job["status"], job["progress"]) == ("running", 1.0)
    async with database.session() as sql:
        assert await store.tally(sql, job_id) == (1, "no")
        assert await store.finish(sql, job_id, "done")
        assert not await store.finish(sql, job_id, "failed")
    assert (await jobs.get(job_id, "ada"))["status"] == "done"
