"""Signing in: local guests, and who one is."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from cluster.errors import Forbidden
from cluster.storage.users import ensure_user
from deployments.rest.dependencies import CurrentUser, ServicesDep
from deployments.websocket.handshake import check_origin

router = APIRouter(prefix="/api/v1", tags=["identity"])

_ADJECTIVES = ("Brisk", "Calm", "Clever", "Deft", "Eager", "Gentle", "Keen", "Lucid", "Quiet")
_NOUNS = ("Boson", "Fermion", "Gluon", "Kaon", "Lepton", "Magnon", "Muon", "Phonon", "Photon")


class Guest(BaseModel):
    """What a guest says of itself."""

    model_config = ConfigDict(extra="forbid")
    name: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)] | None
    ) = None


@router.post("/auth/guest")
async def sign_in_guest(guest: Guest, request: Request, services: ServicesDep) -> dict[str, Any]:
    """Sign this browser in as a new local guest: for a SynQ on its user's own machine only."""
    settings = services.settings
    if not settings.guests_allowed:
        raise Forbidden(
            "guests are signed in only where SynQ is embedded and bound to loopback",
            code="guest_disabled",
        )
    host = request.headers.get("host", "")
    check_origin(request.headers.get("origin"), host, settings)
    names = {f"{name}:{settings.port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    if host not in names:  # a rebound name: a page elsewhere that points its own host at us
        raise Forbidden(f"host {host!r:.200} is not this machine", code="guest_disabled")
    user = f"guest-{secrets.token_hex(4)}"
    name = guest.name or f"{secrets.choice(_ADJECTIVES)} {secrets.choice(_NOUNS)}"
    async with services.database.session() as sql:
        await ensure_user(sql, user, name, guest=True)
    token = services.tokens.issue(user, name=name, guest=True)
    expires_at = services.tokens.verify(token).expires_at
    return {"token": token, "user": user, "name": name, "expires_at": expires_at}


@router.get("/me")
async def me(user: CurrentUser) -> dict[str, Any]:
    """Return whom the token names."""
    return {
        "user": user.user,
        "name": user.name,
        "scopes": sorted(user.scopes),
        "guest": user.guest,
        "expires_at": user.expires_at,
    }
