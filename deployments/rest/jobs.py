"""Simulation jobs over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from actors.jobs import DEFAULT_SHOTS
from deployments.rest.dependencies import CurrentUser, ServicesDep

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])


class CircuitReference(BaseModel):
    """A program: its text, a stored circuit, or a session as it is now."""

    model_config = ConfigDict(extra="forbid", strict=True)
    qasm: str | None = None
    circuit_id: str | None = None
    session_id: str | None = None

    @model_validator(mode="after")
    def _one(self) -> CircuitReference:
        if sum(value is not None for value in (self.qasm, self.circuit_id, self.session_id)) != 1:
            raise ValueError("expected exactly one of qasm, circuit_id and session_id")
        return self


class NewJob(BaseModel):
    """Circuits to be simulated."""

    model_config = ConfigDict(extra="forbid", strict=True)
    circuits: Annotated[list[CircuitReference], Field(min_length=1)]
    shots: Annotated[int, Field(ge=1)] = DEFAULT_SHOTS
    seed: Annotated[int | None, Field(ge=0)] = None


@router.post("", status_code=202)
async def submit_job(
    new: NewJob, user: CurrentUser, services: ServicesDep, response: Response
) -> dict[str, Any]:
    """Queue circuits to be simulated."""
    circuits = [reference.model_dump(exclude_none=True) for reference in new.circuits]
    job: dict[str, Any] = await services.jobs.submit(
        user.user, circuits=circuits, shots=new.shots, seed=new.seed
    )
    response.headers["Location"] = f"{router.prefix}/{job['id']}"
    return job


@router.get("")
async def list_jobs(
    user: CurrentUser,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, Any]:
    """List one's jobs, newest first, without results."""
    page: dict[str, Any] = await services.jobs.list(user.user, limit=limit, offset=offset)
    return page


@router.get("/{job_id}")
async def get_job(job_id: str, user: CurrentUser, services: ServicesDep) -> dict[str, Any]:
    """Return a job with the results it has."""
    job: dict[str, Any] = await services.jobs.get(job_id, user.user)
    return job


@router.delete("/{job_id}")
async def cancel_job(job_id: str, user: CurrentUser, services: ServicesDep) -> dict[str, Any]:
    """End a job; one that is over stays as it is."""
    job: dict[str, Any] = await services.jobs.cancel(job_id, user.user)
    return job
