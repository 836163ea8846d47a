"""GraphQL over HTTP: POST, JSON, one operation, of the kind the path says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from graphql import GraphQLError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from cluster.errors import Forbidden, InvalidInput, SynqError
from cluster.identity.tokens import Principal
from cluster.telemetry import get_logger
from deployments.graphql.schema import schema
from deployments.graphql.types import Context
from deployments.rest.dependencies import CurrentUser, Services, ServicesDep

log = get_logger(__name__)

router = APIRouter(prefix="/api/v1/graphql", tags=["graphql"])

# Who holds it may ask what there is to ask: developers' tools, not users' programs.
INTROSPECTION_SCOPE = "graphql:introspect"
TIMEOUT_S = 30.0
GRAPHQL_JSON = "application/graphql-response+json"


@router.post("/query")
async def query(request: Request, user: CurrentUser, services: ServicesDep) -> Response:
    """Answer a query."""
    return await _execute(request, user, services, OperationType.QUERY)


@router.post("/mutation")
async def mutation(request: Request, user: CurrentUser, services: ServicesDep) -> Response:
    """Carry out a mutation."""
    return await _execute(request, user, services, OperationType.MUTATION)


@router.get("/schema")
async def show_schema(user: CurrentUser) -> Response:
    """Return the schema in the schema definition language."""
    if INTROSPECTION_SCOPE not in user.scopes:
        raise Forbidden(f"expected a token of scope {INTROSPECTION_SCOPE!r}")
    return PlainTextResponse(schema(introspection=True).as_str())


async def _execute(
    request: Request, user: Principal, services: Services, kind: OperationType
) -> Response:
    body = await _body(request)
    asked = schema(introspection=INTROSPECTION_SCOPE in user.scopes)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            result = await asked.execute(
                body["query"],
                variable_values=body.get("variables"),
                operation_name=body.get("operationName"),
                context_value=Context(services=services, user=user.user),
                allowed_operation_types=(kind,),
            )
    except InvalidOperationTypeError as error:
        raise InvalidInput(
            f"expected a {kind.value} here; a {error.operation_type.value} belongs to "
            f"{router.prefix}/{error.operation_type.value}",
            code="wrong_operation",
        ) from None
    except CannotGetOperationTypeError as error:
        raise InvalidInput(error.as_http_error_reason()) from None
    except TimeoutError:
        raise SynqError(
            f"the operation took longer than {TIMEOUT_S:g} s", code="timeout", status=504
        ) from None
    content: dict[str, Any] = {"data": result.data}
    if result.errors:
        content["errors"] = [_shown(error) for error in result.errors]
    modern = GRAPHQL_JSON in request.headers.get("accept", "")
    # Without data the operation did not run. The older media type says so in the body alone.
    status = 400 if modern and result.data is None and result.errors else 200
    return JSONResponse(
        content, status_code=status, media_type=GRAPHQL_JSON if modern else "application/json"
    )


async def _body(request: Request) -> dict[str, Any]:
    # A form of another site could send any other type without asking first.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidInput(
            f"expected content-type application/json, got {kind[:80]!r}",
            code="unsupported_media_type",
            status=415,
        )
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise InvalidInput("expected a JSON object, got none", status=400) from None
    if not isinstance(body, dict):
        raise InvalidInput(f"expected a JSON object, got {type(body).__name__}", status=400)
    expected: dict[str, tuple[type, ...]] = {
        "query": (str,),
        "variables": (dict, type(None)),
        "operationName": (str, type(None)),
        "extensions": (dict, type(None)),
    }
    for name, value in body.items():
        if name not in expected:
            raise InvalidInput(f"unexpected member {name[:80]!r}", status=400)
        if not isinstance(value, expected[name]):
            raise InvalidInput(
                f"expected {name} to be {expected[name][0].__name__}, got {type(value).__name__}",
                status=400,
            )
    if not body.get("query", "").strip():
        raise InvalidInput("expected the member query, a GraphQL document", status=400)
    return body


def _shown(error: GraphQLError) -> dict[str, Any]:
    """Return an error as a client may see it."""
    formatted: dict[str, Any] = dict(error.formatted)
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if isinstance(cause, SynqError):
        formatted["message"] = cause.message
        formatted["extensions"] = {**cause.details, "code": cause.code}
    elif cause is None or (isinstance(cause, ValueError) and error.path is None):
        # The document or its variables: GraphQL's own words name no internals.
        formatted["extensions"] = {"code": "invalid"}
    else:
        log.error("graphql resolver failed", path=error.path, exc_info=cause)
        formatted["message"] = "something went wrong here; it has been logged"
        formatted["extensions"] = {"code": "internal"}
    return formatted
