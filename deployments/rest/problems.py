"""Errors as RFC 9457 problem documents with a stable ``code``."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from ray.exceptions import RayTaskError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from starlette.exceptions import HTTPException

from cluster.errors import SynqError, Unavailable
from cluster.telemetry import get_logger

log = get_logger(__name__)

_TITLES = {400: "Bad request", 401: "Unauthenticated", 403: "Forbidden", 404: "Not found"}
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class Problem(JSONResponse):
    """A problem document."""

    media_type = "application/problem+json"


def problem(
    status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
) -> Problem:
    """Build a problem document."""
    title = _TITLES.get(status, code.replace("_", " ").capitalize())
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Problem({**content, "code": code, **more}, status_code=status, headers=headers)


def from_error(error: SynqError) -> Problem:
    """Translate one of our errors."""
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retryable:
        headers["Retry-After"] = "2"
    return problem(error.status, error.code, error.message, headers=headers, **error.details)


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem document; none shows internals."""

    @app.exception_handler(SynqError)
    async def _ours(_request: Request, error: SynqError) -> Problem:
        return from_error(error)

    @app.exception_handler(RayTaskError)
    async def _remote(_request: Request, error: RayTaskError) -> Problem:
        if isinstance(error.cause, SynqError):
            return from_error(error.cause)
        return _unexpected(error)

    @app.exception_handler(OSError)
    @app.exception_handler(DBAPIError)
    async def _storage(_request: Request, error: Exception) -> Problem:
        if isinstance(error, DataError | IntegrityError | ProgrammingError):
            return _unexpected(error)  # it did answer
        log.error("storage unavailable", exc_info=error)
        return from_error(Unavailable("storage does not answer; try again"))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> Problem:
        issues = [
            {"at": ".".join(str(part) for part in issue["loc"]), "message": issue["msg"]}
            for issue in error.errors()[:20]
        ]
        detail = "; ".join(f"{issue['at']}: {issue['message']}" for issue in issues)
        return problem(422, "invalid", detail, errors=issues)

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> Problem:
        code = _CODES.get(error.status_code, "http_error")
        headers = dict(error.headers) if error.headers else None
        return problem(error.status_code, code, str(error.detail), headers=headers)

    @app.exception_handler(Exception)
    async def _other(_request: Request, error: Exception) -> Problem:
        return _unexpected(error)


def _unexpected(error: Exception) -> Problem:
    log.error("request failed", exc_info=error)
    return problem(500, "internal", "something went wrong here; it has been logged")
