"""What routes are given: the caller, and the services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from actors.circuits import CircuitService
from actors.histories import HistoryService
from actors.membership import MembershipService
from actors.sessions import SessionService
from cluster.errors import Unauthenticated
from cluster.identity.tokens import Principal, Tokens
from cluster.settings import Settings
from cluster.storage.database import Database


@dataclass(slots=True)
class Services:
    """Everything the surfaces of one process call."""

    settings: Settings
    database: Database
    tokens: Tokens
    sessions: SessionService
    membership: MembershipService
    histories: HistoryService
    circuits: CircuitService
    jobs: Any = None
    learning: Any = None


def get_services(request: Request) -> Services:
    """Return the services of this process."""
    services: Services = request.app.state.services
    return services


def verify_token(
    request: Request, services: Annotated[Services, Depends(get_services)]
) -> Principal:
    """Return whom the request's token names; every route but a few open ones depends on it.

    Raises:
        Unauthenticated: no token, or one that does not verify.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("expected the header Authorization: Bearer <token>")
    return services.tokens.verify(token.strip())


ServicesDep = Annotated[Services, Depends(get_services)]
CurrentUser = Annotated[Principal, Depends(verify_token)]
