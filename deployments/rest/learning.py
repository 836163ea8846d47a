"""Models, training and predictions over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from deployments.rest.dependencies import CurrentUser, ServicesDep

router = APIRouter(prefix="/api/v1/ml", tags=["learning"])

_CLOSED = ConfigDict(extra="forbid", allow_inf_nan=False)


class NewModel(BaseModel):
    """A model to be made."""

    model_config = _CLOSED
    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Annotated[str, Field(max_length=32)] = "pattern-recognition"


class NewTrainingJob(BaseModel):
    """How to train a new version of a model."""

    model_config = _CLOSED
    model_id: Annotated[str, Field(min_length=1, max_length=64)]
    epochs: Annotated[int, Field(ge=1, le=500)] = 10
    batch_size: Annotated[int, Field(ge=1, le=4_096)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.001
    seed: Annotated[int | None, Field(ge=0, lt=2**31)] = None
    samples: Annotated[int | None, Field(ge=100, le=20_000)] = None


class Deployment(BaseModel):
    """Which version is to answer."""

    model_config = _CLOSED
    version_id: Annotated[str | None, Field(max_length=64)] = None


class CircuitReference(BaseModel):
    """Exactly one of the three."""

    model_config = _CLOSED
    qasm: str | None = None
    circuit_id: Annotated[str | None, Field(max_length=64)] = None
    session_id: Annotated[str | None, Field(max_length=64)] = None


class Question(BaseModel):
    """A circuit to be asked about, and perhaps whom."""

    model_config = _CLOSED
    circuit: CircuitReference
    model_id: Annotated[str | None, Field(max_length=64)] = None


@router.post("/models", status_code=201)
async def create_model(
    new: NewModel, user: CurrentUser, services: ServicesDep, response: Response
) -> dict[str, Any]:
    """Make a model; it has no version until one is trained."""
    model: dict[str, Any] = await services.learning.create_model(
        user.user, name=new.name, kind=new.kind
    )
    response.headers["Location"] = f"{router.prefix}/models/{model['id']}"
    return model


@router.get("/models")
async def list_models(
    user: CurrentUser,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, Any]:
    """List the models the caller may see, newest first."""
    page: dict[str, Any] = await services.learning.models(user.user, limit=limit, offset=offset)
    return page


@router.get("/models/{model_id}")
async def get_model(model_id: str, user: CurrentUser, services: ServicesDep) -> dict[str, Any]:
    """Return a model with its versions."""
    model: dict[str, Any] = await services.learning.model(model_id, user.user)
    return model


@router.post("/models/{model_id}/deploy")
async def deploy_model(
    model_id: str,
    user: CurrentUser,
    services: ServicesDep,
    deployment: Deployment | None = None,
) -> dict[str, Any]:
    """Let a version answer, by default the newest that is ready."""
    version_id = deployment.version_id if deployment is not None else None
    result: dict[str, Any] = await services.learning.deploy(
        model_id, user.user, version_id=version_id
    )
    return result


@router.post("/training-jobs", status_code=202)
async def create_training_job(
    new: NewTrainingJob, user: CurrentUser, services: ServicesDep, response: Response
) -> dict[str, Any]:
    """Queue a training job."""
    job: dict[str, Any] = await services.learning.train(user.user, **new.model_dump())
    response.headers["Location"] = f"{router.prefix}/training-jobs/{job['id']}"
    return job


@router.get("/training-jobs/{job_id}")
async def get_training_job(job_id: str, user: CurrentUser, services: ServicesDep) -> dict[str, Any]:
    """Return a training job."""
    job: dict[str, Any] = await services.learning.training_job(job_id, user.user)
    return job


@router.delete("/training-jobs/{job_id}")
async def cancel_training_job(
    job_id: str, user: CurrentUser, services: ServicesDep
) -> dict[str, Any]:
    """Cancel a training job; one that is over stays as it is."""
    job: dict[str, Any] = await services.learning.cancel(job_id, user.user)
    return job


@router.post("/predict/pattern-recognition")
async def predict_pattern(
    question: Question, user: CurrentUser, services: ServicesDep
) -> dict[str, Any]:
    """Say which family of algorithms a circuit looks like."""
    answer: dict[str, Any] = await services.learning.predict_pattern(
        user.user, circuit=question.circuit.model_dump(), model_id=question.model_id
    )
    return answer
