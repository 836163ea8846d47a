"""The Serve applications: sockets at ``/ws``, everything else of HTTP at ``/``, inference inside.

Three applications, so that a heavy request never delays a keystroke and each is replaced alone. The
number of socket replicas is fixed: each change of replicas reloads the edge.
"""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve import RunTarget

from cluster.settings import Settings, get_settings
from deployments import inference

# A socket is one request for all its life; beyond the cap the handler itself answers 503, so Serve
# must let that many more in.
REFUSAL_MARGIN = 500


def _build_collaborate() -> Any:
    from deployments.collaborate import build

    return build()


def _build_api() -> Any:
    from deployments.api import build

    return build()


def collaborate(_arguments: dict[str, str] | None = None) -> Any:
    """Return the sockets' application."""
    settings = get_settings()
    return (
        serve.deployment(serve.ingress(_build_collaborate)())
        .options(
            name="Ingress",
            num_replicas=settings.ingress_replicas,
            max_ongoing_requests=settings.websocket_max_connections + REFUSAL_MARGIN,
            ray_actor_options={"num_cpus": 0},
            health_check_timeout_s=30,
            graceful_shutdown_timeout_s=5,
        )
        .bind()
    )


def api(_arguments: dict[str, str] | None = None) -> Any:
    """Return the application of everything else over HTTP."""
    return (
        serve.deployment(serve.ingress(_build_api)())
        .options(
            name="Api",
            num_replicas=1,
            max_ongoing_requests=200,
            ray_actor_options={"num_cpus": 0},
            graceful_shutdown_timeout_s=5,
        )
        .bind()
    )


def inference_app(_arguments: dict[str, str] | None = None) -> Any:
    """Return the models' application."""
    return inference.application(get_settings())


def start_actors(settings: Settings) -> list[Any]:
    """Make sure that the named actors run; return calls that end when each is ready."""
    from actors import directory, parser, runner, training

    return [
        directory.start(settings).start.remote(),
        parser.start(settings).ready.remote(),
        runner.start(settings).start.remote(),
        training.start(settings).start.remote(),
    ]


def deploy() -> None:
    """Run the applications; returns when all are up."""
    serve.run_many(
        [
            RunTarget(collaborate(), name="collaborate", route_prefix="/ws"),
            RunTarget(api(), name="api", route_prefix="/"),
            RunTarget(inference_app(), name=inference.APP, route_prefix=None),
        ]
    )
