"""The actors that exist once: their names, making sure that they run, finding and asking them."""

from __future__ import annotations

import asyncio
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import ActorUnavailableError, RayTaskError

from actors import NAMESPACE
from cluster.errors import SynqError, Unavailable

DIRECTORY = "synq-directory"
PARSER = "synq-parser"
JOBS = "synq-jobs"
TRAINER = "synq-trainer"

CALL_TIMEOUT_S = 10.0


def ensure(actor: type, name: str, *, max_concurrency: int = 1_000) -> ActorHandle:
    """Start ``actor`` under its name unless it runs; Ray restarts it however often it dies."""
    return (
        ray.remote(actor)
        .options(
            name=name,
            namespace=NAMESPACE,
            get_if_exists=True,
            lifetime="detached",
            max_restarts=-1,
            num_cpus=0,
            max_concurrency=max_concurrency,
        )
        .remote()
    )


def find(name: str) -> ActorHandle:
    """Return a running actor.

    Raises:
        Unavailable: it does not run.
    """
    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError as error:
        raise Unavailable(f"{name} does not run") from error


async def call(ref: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
    """Await a Ray call.

    Raises:
        Unavailable: no answer in time.
        RayActorError: the actor died.
        SynqError: what the actor raised.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await ref
    except (TimeoutError, ActorUnavailableError) as error:
        raise Unavailable(f"an actor did not answer within {timeout_s:g} s") from error
    except RayTaskError as error:
        if isinstance(error.cause, SynqError):
            raise error.cause from error
        raise
