"""Circuits over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from deployments.rest.dependencies import CurrentUser, ServicesDep

router = APIRouter(prefix="/api/v1/circuits", tags=["circuits"])


class ProgramText(BaseModel):
    """A program in OpenQASM 2 or 3."""

    model_config = ConfigDict(extra="forbid", strict=True)
    qasm: str


class NewCircuit(ProgramText):
    """A program to be stored."""

    name: Annotated[str, Field(min_length=1, max_length=200)]


@router.post("/parse")
async def parse_circuit(
    program: ProgramText, _user: CurrentUser, services: ServicesDep
) -> dict[str, Any]:
    """Return size and drawing of a program, or what is wrong with it and where."""
    answer: dict[str, Any] = await services.circuits.parse(program.qasm)
    return answer


@router.post("", status_code=201)
async def create_circuit(
    new: NewCircuit, user: CurrentUser, services: ServicesDep, response: Response
) -> dict[str, Any]:
    """Store a program."""
    circuit: dict[str, Any] = await services.circuits.create(
        user.user, name=new.name, qasm=new.qasm
    )
    response.headers["Location"] = f"{router.prefix}/{circuit['id']}"
    return circuit


@router.get("")
async def list_circuits(
    user: CurrentUser,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, Any]:
    """List one's circuits, newest first."""
    page: dict[str, Any] = await services.circuits.list(user.user, limit=limit, offset=offset)
    return page


@router.get("/{circuit_id}")
async def get_circuit(circuit_id: str, user: CurrentUser, services: ServicesDep) -> dict[str, Any]:
    """Return one circuit."""
    circuit: dict[str, Any] = await services.circuits.get(circuit_id, user.user)
    return circuit
