"""Models, their versions, training jobs and predictions.

A model without an owner ships with SynQ and everyone may see it; any other is its owner's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.storage.models import Model, ModelVersion, Prediction, TrainingJob, now_ms
from cluster.storage.users import ensure_user

OPEN = ("queued", "running")


async def create_model(session: AsyncSession, *, owner: str | None, name: str, kind: str) -> Model:
    """Insert a model."""
    if owner is not None:
        await ensure_user(session, owner)
    row = Model(owner=owner, name=name, kind=kind)
    session.add(row)
    await session.flush()
    return row


async def model(session: AsyncSession, model_id: str, user: str) -> Model | None:
    """Return the model if ``user`` may see it."""
    query = select(Model).where(
        Model.id == model_id, or_(Model.owner == user, Model.owner.is_(None))
    )
    return (await session.execute(query)).scalar_one_or_none()


async def models(
    session: AsyncSession, user: str, *, limit: int, offset: int
) -> tuple[Sequence[Model], int]:
    """Return a page of the models ``user`` may see, newest first, and their number."""
    visible = or_(Model.owner == user, Model.owner.is_(None))
    total = await session.scalar(select(func.count()).select_from(Model).where(visible))
    query = (
        select(Model)
        .where(visible)
        .order_by(Model.created_at.desc(), Model.id)
        .limit(limit)
        .offset(offset)
    )
    return (await session.execute(query)).scalars().all(), total or 0


async def shipped_model(session: AsyncSession, kind: str) -> Model | None:
    """Return the model of ``kind`` that ships with SynQ."""
    query = select(Model).where(Model.owner.is_(None), Model.kind == kind)
    return (await session.execute(query.order_by(Model.created_at).limit(1))).scalar_one_or_none()


async def serving(session: AsyncSession, kind: str, user: str) -> tuple[Model, ModelVersion] | None:
    """Return what answers ``user``: the newest version they deployed, else the shipped one."""
    query = (
        select(Model, ModelVersion)
        .join(
            ModelVersion,
            and_(ModelVersion.id == Model.deployed_version, ModelVersion.model_id == Model.id),
        )
        .where(Model.kind == kind, or_(Model.owner == user, Model.owner.is_(None)))
        # Own models before the shipped one: NULL owners last, on both databases.
        .order_by(Model.owner.is_(None), ModelVersion.created_at.desc())
        .limit(1)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def deploy(session: AsyncSession, model_id: str, version_id: str) -> None:
    """Make a version the one that answers."""
    await session.execute(
        update(Model).where(Model.id == model_id).values(deployed_version=version_id)
    )


async def add_version(
    session: AsyncSession,
    model_id: str,
    *,
    status: str,
    path: str = "",
    sha256: str = "",
    card: dict[str, Any] | None = None,
) -> ModelVersion:
    """Insert the model's next version."""
    # The row lock makes two at once take different numbers; SQLite has one writer anyway.
    await session.execute(select(Model.id).where(Model.id == model_id).with_for_update())
    highest = await session.scalar(
        select(func.max(ModelVersion.number)).where(ModelVersion.model_id == model_id)
    )
    row = ModelVersion(
        model_id=model_id,
        number=(highest or 0) + 1,
        status=status,
        path=path,
        sha256=sha256,
        card=card or {},
    )
    session.add(row)
    await session.flush()
    return row


async def change_version(session: AsyncSession, version_id: str, **fields: Any) -> None:
    """Change fields of a version."""
    await session.execute(
        update(ModelVersion).where(ModelVersion.id == version_id).values(**fields)
    )


async def version(session: AsyncSession, version_id: str) -> ModelVersion | None:
    """Return a version."""
    return await session.get(ModelVersion, version_id)


async def versions(session: AsyncSession, model_id: str) -> Sequence[ModelVersion]:
    """Return the model's versions, newest first."""
    query = select(ModelVersion).where(ModelVersion.model_id == model_id)
    return (await session.execute(query.order_by(ModelVersion.number.desc()))).scalars().all()


async def create_training_job(
    session: AsyncSession, *, owner: str, model_id: str, config: dict[str, Any]
) -> TrainingJob:
    """Insert a queued training job with the version that it will fill."""
    await ensure_user(session, owner)
    filled = await add_version(session, model_id, status="created")
    row = TrainingJob(
        owner=owner, model_id=model_id, version_id=filled.id, status="queued", config=config
    )
    session.add(row)
    await session.flush()
    return row


async def training_job(
    session: AsyncSession, job_id: str, owner: str | None = None
) -> TrainingJob | None:
    """Return a training job; with ``owner``, only if it is theirs."""
    query = select(TrainingJob).where(TrainingJob.id == job_id)
    if owner is not None:
        query = query.where(TrainingJob.owner == owner)
    return (await session.execute(query)).scalar_one_or_none()


async def open_training_jobs(session: AsyncSession) -> Sequence[TrainingJob]:
    """Return the jobs that are not over: running ones first, then in the order they came."""
    query = (
        select(TrainingJob)
        .where(TrainingJob.status.in_(OPEN))
        .order_by(TrainingJob.status.desc(), TrainingJob.created_at, TrainingJob.id)
    )
    return (await session.execute(query)).scalars().all()


async def change_training_job(session: AsyncSession, job_id: str, **fields: Any) -> bool:
    """Change fields of a job that is not over; return whether it was not."""
    if fields.get("status") in ("done", "failed", "cancelled"):
        fields.setdefault("finished_at", now_ms())
    result = await session.execute(
        update(TrainingJob)
        .where(TrainingJob.id == job_id, TrainingJob.status.in_(OPEN))
        .values(**fields)
    )
    return bool(getattr(result, "rowcount", 0))


async def add_prediction(session: AsyncSession, *, user: str, **fields: Any) -> Prediction:
    """Insert a prediction."""
    await ensure_user(session, user)
    row = Prediction(user_id=user, **fields)
    session.add(row)
    await session.flush()
    return row
