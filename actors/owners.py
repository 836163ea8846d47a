"""Session actors as the directory sees them: starting one, on a node that is worth it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors import NAMESPACE
from actors.named import call
from actors.session import SessionActor
from cluster.storage.models import new_id
from cluster.telemetry import get_logger

log = get_logger(__name__)

PREFIX = "synq-session-"
# A new actor is a new process: about 1 s here, more on a machine that is busy starting others.
START_TIMEOUT_S = 60.0
# Where an actor fell silent, none is started meanwhile: by then Ray knows whether the node is lost.
SHUN_S = 30.0


@dataclass(slots=True)
class Owner:
    """One session actor and what it was given."""

    name: str
    handle: Any
    node: str
    sessions: set[str] = field(default_factory=set)


def least_loaded(owners: Iterable[Owner]) -> Owner:
    """Return the one with the fewest sessions."""
    return min(owners, key=lambda owner: len(owner.sessions))


async def start_actor(node: str) -> Owner:
    """Start a session actor on a node.

    Raises:
        RayError: it died, or the node is gone.
        Unavailable: it was not ready in time; it is ended.
    """
    name = f"{PREFIX}{new_id()}"
    # Not `soft`: Ray 2.60 then starts it on any node, whatever it is asked for.
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    handle = SessionActor.options(  # type: ignore[attr-defined]
        name=name, namespace=NAMESPACE, lifetime="detached", scheduling_strategy=there
    ).remote()
    try:
        await call(handle.start.remote(), START_TIMEOUT_S)
    except BaseException as error:
        log.warning("session actor did not start", actor=name, node=node, error=str(error))
        ray.kill(handle)
        raise
    log.info("session actor started", actor=name, node=node)
    return Owner(name, handle, node)


class Nodes:
    """Ray's nodes, and which of them fell silent lately."""

    def __init__(self) -> None:
        self._silent_until: dict[str, float] = {}

    def alive(self) -> list[str]:
        """Return the nodes that Ray believes to be there."""
        return [node["NodeID"] for node in ray.nodes() if node["Alive"]]

    def fell_silent(self, node: str) -> None:
        """Start nothing there for a while."""
        self._silent_until[node] = time.monotonic() + SHUN_S

    def emptiest(self, owners: Iterable[Owner]) -> str:
        """Return the node with the fewest of ``owners``; one that fell silent, only if need be."""
        now = time.monotonic()
        nodes = self.alive()
        heard = [node for node in nodes if self._silent_until.get(node, 0.0) < now]
        actors = Counter(owner.node for owner in owners)
        return min(heard or nodes, key=lambda node: actors[node])
