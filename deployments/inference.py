"""Inference: a Serve deployment without a route that runs the networks, many requests at once.

Whoever asks names the version. A replica loads what it does not have, checks it, and keeps the few
it used last, so a swap needs no replica to be told and none to restart: requests that named the old
version are answered by it. torch is imported in the replica's first moments, off its loop, and
nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException

from cluster.errors import InvalidInput, SynqError, Unavailable
from cluster.settings import Settings, get_settings
from cluster.telemetry import configure_logging, get_logger
from deployments.server import keep_to_loopback

log = get_logger(__name__)

APP = "inference"
NAME = "Inference"
MAX_BATCH = 64
# What a lone request waits for company; a forward pass takes about 0.2 ms.
BATCH_WAIT_S = 0.002
KEPT_VERSIONS = 8
MAX_QUEUED = 2_000
CALL_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class _Loaded:
    network: Any
    labels: tuple[str, ...]
    inputs: int


class Inference:
    """One replica; see the module."""

    def __init__(self) -> None:
        self._settings = get_settings()
        configure_logging(self._settings)
        keep_to_loopback()  # no route, so Serve does not ask `middlewares` for this one
        self._versions: OrderedDict[str, _Loaded] = OrderedDict()
        self._loading: dict[str, asyncio.Task[_Loaded]] = {}
        self._importing: asyncio.Future[None] | None = None
        self.requests = 0
        self.forwards = 0
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self._importing = asyncio.ensure_future(asyncio.to_thread(_import_torch))

    def check_health(self) -> None:
        """Answer, and so show that the loop runs; a failed import is a failed replica."""
        if self._importing is not None and self._importing.done():
            self._importing.result()

    async def load(self, version: dict[str, str]) -> None:
        """Load and check a version, and run it once; what is loaded already stays as it is.

        Raises:
            BadWeights: it cannot be trusted.
        """
        await self._get(version)

    async def predict(self, version: dict[str, str], features: Sequence[float]) -> dict[str, Any]:
        """Return ``labels``, ``probabilities`` and the ``inference_ms`` of the pass they came by.

        Raises:
            InvalidInput: not the right number of finite features.
            BadWeights: the version cannot be loaded.
        """
        loaded = await self._get(version)
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused just below
            row = np.asarray(features, np.float32)
        if row.shape != (loaded.inputs,) or not np.isfinite(row).all():
            raise InvalidInput(f"expected {loaded.inputs} finite features, got shape {row.shape}")
        self.requests += 1
        answer: dict[str, Any] = await self._forward((version["id"], loaded, row))
        return answer

    async def stats(self) -> dict[str, Any]:
        """Return how many requests this replica answered, in how many passes, by which versions."""
        return {
            "requests": self.requests,
            "forwards": self.forwards,
            "versions": list(self._versions),
        }

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=BATCH_WAIT_S)
    async def _forward(
        self, items: list[tuple[str, _Loaded, npt.NDArray[np.float32]]]
    ) -> list[dict[str, Any]]:
        groups: dict[str, list[int]] = {}
        for index, (version_id, _, _) in enumerate(items):
            groups.setdefault(version_id, []).append(index)
        answers: list[dict[str, Any]] = [{} for _ in items]
        for indices in groups.values():
            loaded = items[indices[0]][1]
            rows = np.stack([items[index][2] for index in indices])
            started = time.perf_counter()
            probabilities = loaded.network.probabilities(rows)
            elapsed_ms = round(1_000 * (time.perf_counter() - started), 3)
            self.forwards += 1
            for index, row in zip(indices, probabilities, strict=True):
                answers[index] = {
                    "labels": list(loaded.labels),
                    "probabilities": row.tolist(),
                    "inference_ms": elapsed_ms,
                    "batch": len(indices),
                }
        return answers

    async def _get(self, version: dict[str, str]) -> _Loaded:
        key = version["id"]
        loaded = self._versions.get(key)
        if loaded is not None:
            self._versions.move_to_end(key)
            return loaded
        # Those who ask while it loads wait for the one load; it goes on if one of them gives up.
        task = self._loading.get(key)
        if task is None:
            task = asyncio.ensure_future(asyncio.to_thread(_load, self._settings, version))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(task)

    def _loaded(self, key: str, task: asyncio.Task[_Loaded]) -> None:
        self._loading.pop(key, None)
        if task.cancelled() or task.exception() is not None:
            log.warning("version not loaded", version=key, error=repr(task.exception()))
            return
        self._versions[key] = task.result()
        while len(self._versions) > KEPT_VERSIONS:
            self._versions.popitem(last=False)


def _import_torch() -> None:
    import torch

    # Requests come together in batches; more threads would only take them from each other.
    torch.set_num_threads(1)


def _load(settings: Settings, version: dict[str, str]) -> _Loaded:
    _import_torch()
    import torch

    from train.models import restore
    from train.registry import load_version

    checked = load_version(settings.data_dir / version["path"], version["sha256"])
    network = restore(checked)
    if torch.cuda.is_available():
        network = network.to("cuda")
    inputs = checked.architecture.inputs
    network.probabilities(np.zeros((1, inputs), np.float32))
    return _Loaded(network, checked.labels, inputs)


class RayInference:
    """The deployment, asked from another process."""

    def __init__(self) -> None:
        self._handle: Any = None

    async def load(self, version: dict[str, str]) -> None:
        """See ``actors.learning.Inference``."""
        await self._call("load", version)

    async def predict(self, version: dict[str, str], features: Sequence[float]) -> dict[str, Any]:
        """See ``actors.learning.Inference``."""
        answer: dict[str, Any] = await self._call("predict", version, list(features))
        return answer

    async def _call(self, method: str, *arguments: Any) -> Any:
        try:
            if self._handle is None:
                self._handle = serve.get_deployment_handle(NAME, APP)
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return await getattr(self._handle, method).remote(*arguments)
        except RayTaskError as error:
            if isinstance(error.cause, SynqError):
                raise error.cause from None
            raise
        except (TimeoutError, BackPressureError, RayServeException, RayError) as error:
            raise Unavailable(f"inference does not answer ({type(error).__name__})") from error


def application(_settings: Settings) -> Any:
    """Build the Serve application (no route): bind it under the name ``APP``."""
    deployment = serve.deployment(Inference).options(
        name=NAME,
        num_replicas=1,
        max_ongoing_requests=4 * MAX_BATCH,
        max_queued_requests=MAX_QUEUED,
        # Passes are microseconds; a CPU held for them would be one that training waits for.
        ray_actor_options={"num_cpus": 0},
        health_check_timeout_s=30,
        graceful_shutdown_timeout_s=5,
    )
    return deployment.bind()
