"""The HTTP application: REST, GraphQL, health and the workbench's files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

from actors import parser
from actors.circuits import CircuitService
from actors.histories import HistoryService
from actors.jobs import JobService
from actors.learning import LearningService
from actors.membership import MembershipService
from actors.runner import RayJobQueue
from actors.sessions import SessionService
from actors.training import RayTrainingQueue
from cluster import __version__
from cluster.identity.tokens import get_tokens
from cluster.settings import get_settings
from cluster.storage.database import Database
from cluster.telemetry import configure_logging
from deployments.graphql import router as graphql
from deployments.inference import RayInference
from deployments.rest import auth, circuits, collaboration, health, jobs, learning, problems
from deployments.rest.dependencies import CurrentUser, Services
from deployments.rest.middleware import Envelope

DIST = Path(__file__).parent.parent / "client" / "dist"
ROUTERS = (
    *(part.router for part in (health, auth, collaboration, circuits, jobs, learning)),
    graphql.router,
)
# A document of the largest size, JSON-escaped, and something around it.
BODY_OVERHEAD_BYTES = 64 * 1024


def build_services() -> Services:
    """Build the services of this process from its settings."""
    settings = get_settings()
    database = Database(settings)
    sessions = SessionService(database, settings)
    reader = parser.RayParser(parser.start(settings), settings)
    histories = HistoryService(database, sessions, reader)
    programs = CircuitService(database, reader, histories.program)
    return Services(
        settings=settings,
        database=database,
        tokens=get_tokens(),
        sessions=sessions,
        membership=MembershipService(database, sessions),
        histories=histories,
        circuits=programs,
        jobs=JobService(database, settings, programs, reader, RayJobQueue()),
        learning=LearningService(
            database,
            settings,
            parser=reader,
            queue=RayTrainingQueue(),
            inference=RayInference(),
            resolve=programs.resolve,
        ),
    )


def build() -> Any:
    """Build the ASGI application of one API replica."""
    services = build_services()
    settings = services.settings
    configure_logging(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await services.database.close()

    app = FastAPI(
        title="SynQ",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.services = services
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    _describe(app)
    _serve_page(app)
    return Envelope(app, max_body_bytes=2 * settings.max_document_bytes + BODY_OVERHEAD_BYTES)


def _describe(app: FastAPI) -> None:
    @app.get("/api/v1/openapi.json", tags=["meta"])
    async def openapi(_user: CurrentUser) -> dict[str, Any]:
        """Return the OpenAPI document of everything here."""
        return app.openapi()


def _serve_page(app: FastAPI) -> None:
    async def page() -> Response:
        index = DIST / "index.html"
        if not index.exists():
            return PlainTextResponse("The workbench is not built: run `make run`.\n", 503)
        return FileResponse(index, headers={"cache-control": "no-cache"})

    app.get("/", include_in_schema=False)(page)
    app.get("/s/{session_id}", include_in_schema=False)(page)
    # Names in it carry a hash of their content.
    app.mount("/assets", StaticFiles(directory=DIST / "assets", check_dir=False))
