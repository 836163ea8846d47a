"""Sessions over HTTP: `docs/protocol.md` §7."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from deployments.rest.dependencies import CurrentUser, ServicesDep

router = APIRouter(prefix="/api/v1/collaboration", tags=["collaboration"])


class NewSession(BaseModel):
    """A session to be made."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Literal["text", "circuit"] = "text"
    content: str = ""
    visibility: Literal["private", "public"] = "private"
    public_role: Literal["viewer", "commenter", "editor"] = "viewer"


@router.post("/sessions", status_code=201)
async def create_session(
    new: NewSession, user: CurrentUser, services: ServicesDep, response: Response
) -> dict[str, Any]:
    """Make a session; the caller owns it."""
    session = await services.sessions.create(user.user, **new.model_dump())
    response.headers["Location"] = f"{router.prefix}/sessions/{session['id']}"
    return session


@router.get("/sessions")
async def list_sessions(
    user: CurrentUser,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, Any]:
    """List what the caller may see, newest change first."""
    return await services.sessions.list(user.user, limit=limit, offset=offset)


@router.get("/sessions/{session_id}")
async def get_session(session_id: str, user: CurrentUser, services: ServicesDep) -> dict[str, Any]:
    """Return one session."""
    return await services.sessions.get(session_id, user.user)


@router.delete("/sessions/{session_id}", status_code=204)
async def delete_session(session_id: str, user: CurrentUser, services: ServicesDep) -> None:
    """Delete a session and its history."""
    await services.sessions.delete(session_id, user.user)


@router.post("/sessions/{session_id}/join")
async def join_session(session_id: str, user: CurrentUser, services: ServicesDep) -> dict[str, Any]:
    """Make the public role a lasting one."""
    return await services.sessions.join(session_id, user.user)


@router.post("/sessions/{session_id}/leave", status_code=204)
async def leave_session(session_id: str, user: CurrentUser, services: ServicesDep) -> None:
    """End one's lasting role."""
    await services.sessions.leave(session_id, user.user)


@router.get("/sessions/{session_id}/participants")
async def list_participants(
    session_id: str, user: CurrentUser, services: ServicesDep
) -> dict[str, Any]:
    """List who has a lasting role."""
    return await services.sessions.participants(session_id, user.user)


@router.get("/sessions/{session_id}/history")
async def get_history(
    session_id: str,
    user: CurrentUser,
    services: ServicesDep,
    from_: Annotated[int, Query(alias="from", ge=1)] = 1,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    """Return items from rev ``from`` on, oldest first."""
    return await services.sessions.history(session_id, user.user, from_=from_, limit=limit)


@router.get("/sessions/{session_id}/state")
async def get_state(
    session_id: str,
    user: CurrentUser,
    services: ServicesDep,
    rev: Annotated[int | None, Query(ge=0)] = None,
) -> dict[str, Any]:
    """Return the document at a rev, or as it is now."""
    state = await services.sessions.state(session_id, user.user, rev)
    return {
        "rev": state.rev,
        "lineage": state.lineage,
        "kind": state.kind,
        "state": state.state,
    }


@router.post("/ws-ticket")
async def issue_ticket(user: CurrentUser, services: ServicesDep) -> dict[str, Any]:
    """Return a ticket that opens one socket within 30 s."""
    return {"ticket": services.tokens.issue_ticket(user)}
