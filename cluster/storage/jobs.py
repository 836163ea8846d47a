"""Simulation jobs, their circuits and results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.storage.models import Job, JobCircuit, now_ms
from cluster.storage.users import ensure_user

OPEN = ("queued", "running")
# A multi-row insert or an IN list stays under SQLite's 32,766 parameters.
CHUNK = 500


async def create(
    session: AsyncSession,
    *,
    owner: str,
    shots: int,
    seed: int,
    circuits: Sequence[dict[str, Any]],
) -> Job:
    """Insert a queued job; ``circuits`` are its rows in order, without job and position."""
    await ensure_user(session, owner)
    row = Job(owner=owner, status="queued", shots=shots, seed=seed, total=len(circuits))
    session.add(row)
    await session.flush()
    session.add_all(
        JobCircuit(job_id=row.id, position=position, **fields)
        for position, fields in enumerate(circuits)
    )
    await session.flush()
    return row


async def get(session: AsyncSession, job_id: str, owner: str | None = None) -> Job | None:
    """Return the job, if there is one (of ``owner``, where given)."""
    query = select(Job).where(Job.id == job_id)
    if owner is not None:
        query = query.where(Job.owner == owner)
    return (await session.execute(query)).scalar_one_or_none()


async def page(
    session: AsyncSession, owner: str, *, limit: int, offset: int
) -> tuple[list[tuple[Job, int]], int]:
    """Return a page of the owner's jobs, newest first, each with its finished circuits."""
    mine = Job.owner == owner
    total = await session.scalar(select(func.count()).select_from(Job).where(mine))
    query = (
        select(Job).where(mine).order_by(Job.created_at.desc(), Job.id).limit(limit).offset(offset)
    )
    rows = (await session.execute(query)).scalars().all()
    finished = await count_finished(session, [row.id for row in rows])
    return [(row, finished.get(row.id, 0)) for row in rows], total or 0


async def count_finished(session: AsyncSession, job_ids: Sequence[str]) -> dict[str, int]:
    """Return how many circuits of each job are finished."""
    query = (
        select(JobCircuit.job_id, func.count())
        .where(JobCircuit.job_id.in_(job_ids), JobCircuit.finished_at.is_not(None))
        .group_by(JobCircuit.job_id)
    )
    return dict((await session.execute(query)).all())


async def count_open(session: AsyncSession, owner: str) -> int:
    """Return how many of the owner's jobs are not over."""
    query = select(func.count()).select_from(Job).where(Job.owner == owner, Job.status.in_(OPEN))
    return await session.scalar(query) or 0


async def results(session: AsyncSession, job_id: str) -> list[dict[str, Any] | None]:
    """Return the job's results in order; None where a circuit is not finished."""
    query = (
        select(JobCircuit.result, JobCircuit.finished_at)
        .where(JobCircuit.job_id == job_id)
        .order_by(JobCircuit.position)
    )
    return [
        result if finished_at is not None else None
        for result, finished_at in await session.execute(query)
    ]


async def unfinished(session: AsyncSession) -> Sequence[Job]:
    """Return every job that is not over, oldest first."""
    query = select(Job).where(Job.status.in_(OPEN)).order_by(Job.created_at, Job.id)
    return (await session.execute(query)).scalars().all()


async def outline(session: AsyncSession, job_id: str) -> list[tuple[int, dict[str, Any], bool]]:
    """Return (position, plan, finished) of the job's circuits, without their text."""
    query = (
        select(JobCircuit.position, JobCircuit.plan, JobCircuit.finished_at)
        .where(JobCircuit.job_id == job_id)
        .order_by(JobCircuit.position)
    )
    return [
        (position, plan, finished_at is not None)
        for position, plan, finished_at in await session.execute(query)
    ]


async def tally(session: AsyncSession, job_id: str) -> tuple[int, str | None]:
    """Return how many circuits of the job failed, and why the first did."""
    query = (
        select(JobCircuit.result)
        .where(JobCircuit.job_id == job_id, JobCircuit.finished_at.is_not(None))
        .order_by(JobCircuit.position)
    )
    failed, first = 0, None
    for result in (await session.execute(query)).scalars():
        if result is not None and "error" in result:
            failed += 1
            first = first or result["error"]
    return failed, first


async def programs(session: AsyncSession, job_id: str, positions: Sequence[int]) -> dict[int, str]:
    """Return the texts of some of the job's circuits."""
    query = select(JobCircuit.position, JobCircuit.qasm).where(
        JobCircuit.job_id == job_id, JobCircuit.position.in_(positions)
    )
    return dict((await session.execute(query)).all())


async def store_results(
    session: AsyncSession, found: Iterable[tuple[str, int, dict[str, Any]]]
) -> None:
    """Store results of (job, position); the first stands, so storing twice changes nothing."""
    for job_id, position, result in found:
        await session.execute(
            update(JobCircuit)
            .where(
                JobCircuit.job_id == job_id,
                JobCircuit.position == position,
                JobCircuit.finished_at.is_(None),
            )
            .values(result=result, finished_at=now_ms())
        )


async def start(session: AsyncSession, job_id: str) -> None:
    """Mark a queued job as running."""
    await session.execute(
        update(Job)
        .where(Job.id == job_id, Job.status == "queued")
        .values(status="running", started_at=now_ms())
    )


async def finish(session: AsyncSession, job_id: str, status: str, error: str | None = None) -> bool:
    """Give an open job its final status; False when it was over already."""
    result = await session.execute(
        update(Job)
        .where(Job.id == job_id, Job.status.in_(OPEN))
        .values(
            status=status,
            error=error,
            finished_at=now_ms(),
            started_at=case((Job.started_at.is_(None), now_ms()), else_=Job.started_at),
        )
        .returning(Job.id)
    )
    return result.scalar_one_or_none() is not None


async def still_open(session: AsyncSession, job_ids: Sequence[str]) -> set[str]:
    """Return which of these jobs are not over."""
    found: set[str] = set()
    for start_at in range(0, len(job_ids), CHUNK):
        some = job_ids[start_at : start_at + CHUNK]
        query = select(Job.id).where(Job.id.in_(some), Job.status.in_(OPEN))
        found.update((await session.execute(query)).scalars())
    return found
