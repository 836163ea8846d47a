"""Sessions over HTTP: `docs/protocol.md` §7."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from deployments.rest.dependencies import CurrentUser, ServicesDep

router = APIRouter(prefix="/api/v1/collaboration", tags=["collaboration"])

SUFFIXES = {"qasm2": "qasm", "qasm3": "qasm", "qpy": "qpy", "json": "json"}


class NewSession(BaseModel):
    """A session to be made."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Literal["text", "circuit"] = "text"
    content: str | dict[str, Any] | None = None
    visibility: Literal["private", "public"] = "private"
    public_role: Literal["viewer", "commenter", "editor"] = "viewer"


class Join(BaseModel):
    """What lets one in where the session is not public."""

    model_config = ConfigDict(extra="forbid")
    invite: Annotated[str, Field(max_length=128)] | None = None


NO_INVITE = Join()


class NewRole(BaseModel):
    """A role to be given."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["viewer", "commenter", "editor"]


class Restore(BaseModel):
    """Which past state is to be the present one."""

    model_config = ConfigDict(extra="forbid")
    rev: Annotated[int, Field(ge=0)]


class Fork(BaseModel):
    """Which state a session of one's own is to be made of."""

    model_config = ConfigDict(extra="forbid")
    rev: Annotated[int, Field(ge=0)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None


HEAD = Fork()


class Convert(BaseModel):
    """Which kind of session is to be made."""

    model_config = ConfigDict(extra="forbid")
    to: Literal["text", "circuit"]
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None


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
async def join_session(
    session_id: str, user: CurrentUser, services: ServicesDep, body: Join = NO_INVITE
) -> dict[str, Any]:
    """Make the public role, or an invite's, a lasting one."""
    return await services.membership.join(session_id, user.user, body.invite)


@router.post("/sessions/{session_id}/leave", status_code=204)
async def leave_session(session_id: str, user: CurrentUser, services: ServicesDep) -> None:
    """End one's lasting role."""
    await services.membership.leave(session_id, user.user)


@router.get("/sessions/{session_id}/participants")
async def list_participants(
    session_id: str, user: CurrentUser, services: ServicesDep
) -> dict[str, Any]:
    """List who has a lasting role."""
    return await services.membership.participants(session_id, user.user)


@router.put("/sessions/{session_id}/participants/{participant}")
async def set_role(
    session_id: str, participant: str, body: NewRole, user: CurrentUser, services: ServicesDep
) -> dict[str, Any]:
    """Give somebody a role; needs `manage`. Their open sockets have it at once."""
    return await services.membership.set_role(session_id, user.user, participant, body.role)


@router.delete("/sessions/{session_id}/participants/{participant}", status_code=204)
async def remove_participant(
    session_id: str, participant: str, user: CurrentUser, services: ServicesDep
) -> None:
    """End somebody's role; needs `manage`. Their open sockets are closed."""
    await services.membership.remove(session_id, user.user, participant)


@router.post("/sessions/{session_id}/invites", status_code=201)
async def invite(
    session_id: str, body: NewRole, user: CurrentUser, services: ServicesDep
) -> dict[str, Any]:
    """Return a secret that lets whoever has it join, for a week; needs `manage`."""
    return await services.membership.invite(session_id, user.user, body.role)


@router.get("/sessions/{session_id}/history")
async def get_history(
    session_id: str,
    user: CurrentUser,
    services: ServicesDep,
    from_: Annotated[int, Query(alias="from", ge=1)] = 1,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    """Return items from rev ``from`` on, oldest first."""
    return await services.histories.items(session_id, user.user, from_=from_, limit=limit)


@router.get("/sessions/{session_id}/state")
async def get_state(
    session_id: str,
    user: CurrentUser,
    services: ServicesDep,
    rev: Annotated[int | None, Query(ge=0)] = None,
) -> dict[str, Any]:
    """Return the document at a rev, or as it is now."""
    state = await services.histories.state(session_id, user.user, rev)
    return {
        "rev": state.rev,
        "lineage": state.lineage,
        "kind": state.kind,
        "state": state.state,
    }


@router.post("/sessions/{session_id}/restore")
async def restore_session(
    session_id: str, body: Restore, user: CurrentUser, services: ServicesDep
) -> dict[str, Any]:
    """Make a past state the present one, under a new lineage; no rev is lost by it."""
    return await services.histories.restore(session_id, user.user, body.rev)


@router.post("/sessions/{session_id}/fork", status_code=201)
async def fork_session(
    session_id: str,
    user: CurrentUser,
    services: ServicesDep,
    response: Response,
    body: Fork = HEAD,
) -> dict[str, Any]:
    """Make a session of one's own from a state of this one."""
    made = await services.histories.fork(session_id, user.user, rev=body.rev, name=body.name)
    response.headers["Location"] = f"{router.prefix}/sessions/{made['id']}"
    return made


@router.post("/sessions/{session_id}/convert", status_code=201)
async def convert_session(
    session_id: str, body: Convert, user: CurrentUser, services: ServicesDep, response: Response
) -> dict[str, Any]:
    """Make a session of the other kind from this one; `notes` say what could not be kept."""
    made = await services.histories.convert(session_id, user.user, body.to, name=body.name)
    response.headers["Location"] = f"{router.prefix}/sessions/{made['id']}"
    return made


@router.get("/sessions/{session_id}/export")
async def export_session(
    session_id: str,
    user: CurrentUser,
    services: ServicesDep,
    format_: Annotated[Literal["qasm2", "qasm3", "qpy", "json"], Query(alias="format")],
    rev: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Return the document as a file; the header `X-Synq-Notes` says what could not be kept."""
    made = await services.histories.export(session_id, user.user, format_, rev)
    data = made["data"]
    content = base64.b64decode(data) if made["encoding"] == "base64" else data.encode()
    headers = {"Content-Disposition": f'attachment; filename="{session_id}.{SUFFIXES[format_]}"'}
    if made["notes"]:
        headers["X-Synq-Notes"] = quote("; ".join(made["notes"])[:2_000], safe=" ,;:.()'")
    return Response(content, media_type=made["media_type"], headers=headers)


@router.post("/ws-ticket")
async def issue_ticket(user: CurrentUser, services: ServicesDep) -> dict[str, Any]:
    """Return a ticket that opens one socket within 30 s."""
    return {"ticket": services.tokens.issue_ticket(user)}
