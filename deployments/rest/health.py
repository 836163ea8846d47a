"""Is it alive, is it ready, what is it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from actors.named import DIRECTORY, JOBS, PARSER, TRAINER, call, find
from cluster import PROTOCOL_VERSION, __version__
from cluster.telemetry import get_logger
from deployments.rest.dependencies import Services, ServicesDep

log = get_logger(__name__)

router = APIRouter(tags=["health"])

CHECK_TIMEOUT_S = 3.0


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Answer at all."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(services: ServicesDep) -> JSONResponse:
    """Say of each dependency whether it answers, and how fast."""
    checks: dict[str, Callable[[], Awaitable[None]]] = {
        "database": services.database.ping,
        "directory": lambda: call(find(DIRECTORY).start.remote(), CHECK_TIMEOUT_S),
        "parser": lambda: call(find(PARSER).ready.remote(), CHECK_TIMEOUT_S),
        "jobs": lambda: call(find(JOBS).start.remote(), CHECK_TIMEOUT_S),
        "training": lambda: call(find(TRAINER).start.remote(), CHECK_TIMEOUT_S),
    }
    if services.settings.redis_url is not None:
        checks["redis"] = lambda: _redis(services)
    names = list(checks)
    results = await asyncio.gather(*(_check(name, checks[name]) for name in names))
    ready = all(result["status"] == "ok" for result in results)
    content: dict[str, Any] = {"status": "ok" if ready else "unavailable"}
    content["checks"] = dict(zip(names, results, strict=True))
    return JSONResponse(content, status_code=200 if ready else 503)


@router.get("/api/v1/version")
async def version() -> dict[str, Any]:
    """Say what runs here."""
    return {"name": "SynQ", "version": __version__, "protocol": PROTOCOL_VERSION}


async def _check(name: str, check: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
        status = "ok"
    except Exception:
        log.warning("not ready", dependency=name, exc_info=True)
        status = "unavailable"
    return {"status": status, "ms": round((time.perf_counter() - start) * 1_000, 2)}


async def _redis(services: Services) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(services.settings.redis_url or "") as client:
        await client.ping()
