"""Models as every surface sees them: making, training, deploying and asking them.

What answers is decided in SQL, by the model's ``deployed_version``; whoever asks names the version,
and the replicas of ``Inference`` load what they are asked for. So a swap is one committed update,
made after a replica has loaded and checked the new version, and requests under way keep the old.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from actors.circuits import Source
from actors.parser import CircuitParser
from actors.training import TrainingQueue, public_job
from cluster.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from cluster.settings import Settings
from cluster.storage import learning as store
from cluster.storage.database import Database
from cluster.storage.models import Model, ModelVersion, new_id
from cluster.telemetry import get_logger

log = get_logger(__name__)

PATTERNS = "pattern-recognition"
KINDS = (PATTERNS,)
MAX_NAME = 200
MAX_PAGE = 200
# One job trains at a time; a longer queue would be waited for by nobody.
MAX_OPEN_JOBS = 20
MAX_SAMPLES = 20_000

Resolve = Callable[[dict[str, Any], str], Awaitable[Source]]


class Inference(Protocol):
    """Whoever runs the networks. ``version`` is ``{"id", "path", "sha256"}``."""

    async def load(self, version: dict[str, str]) -> None:
        """Load and check a version.

        Raises:
            SynqError: ``bad_weights``; what was loaded before stays.
        """

    async def predict(self, version: dict[str, str], features: Sequence[float]) -> dict[str, Any]:
        """Return ``labels``, ``probabilities`` and ``inference_ms``."""


class LearningService:
    """What one may do with models. Another's model does not exist for one.

    Args:
        resolve: finds the program a reference means, for a user who may read it.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        parser: CircuitParser,
        queue: TrainingQueue,
        inference: Inference,
        resolve: Resolve,
    ) -> None:
        self._database = database
        self._settings = settings
        self._parser = parser
        self._queue = queue
        self._inference = inference
        self._resolve = resolve

    async def create_model(self, user: str, *, name: str, kind: str = PATTERNS) -> dict[str, Any]:
        """Make a model; it has no version until one is trained.

        Raises:
            InvalidInput: no name, or a kind that is none.
        """
        name = name.strip()
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise InvalidInput(f"expected a name of 1 to {MAX_NAME} printable characters")
        if kind not in KINDS:
            raise InvalidInput(f"expected kind {' or '.join(map(repr, KINDS))}, got {kind!r:.80}")
        async with self._database.session() as sql:
            row = await store.create_model(sql, owner=user, name=name, kind=kind)
        return public_model(row)

    async def models(self, user: str, *, limit: int = 50, offset: int = 0) -> dict[str, Any]:
        """Return a page of the models ``user`` may see, newest first."""
        if not (1 <= limit <= MAX_PAGE and offset >= 0):
            raise InvalidInput(f"expected limit 1 to {MAX_PAGE} and offset from 0")
        async with self._database.read() as sql:
            rows, total = await store.models(sql, user, limit=limit, offset=offset)
        return {"items": [public_model(row) for row in rows], "total": total}

    async def model(self, model_id: str, user: str) -> dict[str, Any]:
        """Return a model with its versions and their cards, newest first.

        Raises:
            NotFound: there is none, for this user.
        """
        row = await self._model(model_id, user)
        async with self._database.read() as sql:
            versions = await store.versions(sql, model_id)
        return {**public_model(row), "versions": [public_version(v) for v in versions]}

    async def train(
        self,
        user: str,
        *,
        model_id: str,
        epochs: int = 10,
        batch_size: int = 32,
        learning_rate: float = 0.001,
        seed: int | None = None,
        samples: int | None = None,
    ) -> dict[str, Any]:
        """Queue a training job; it fills a new version of the model.

        Raises:
            InvalidInput: a number out of bounds.
            Forbidden: the model is not the caller's.
            Unavailable: too many jobs are waiting.
        """
        _within("epochs", epochs, 1, 500)
        _within("batch_size", batch_size, 1, 4_096)
        _within("learning_rate", learning_rate, 1e-7, 1.0)
        _within("seed", seed or 0, 0, 2**31 - 1)
        if samples is not None:
            _within("samples", samples, 100, MAX_SAMPLES)
        await self._own(model_id, user)
        config = {
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "seed": seed or 0,
            "samples": samples,
        }
        async with self._database.session() as sql:
            if len(await store.open_training_jobs(sql)) >= MAX_OPEN_JOBS:
                raise Unavailable(f"{MAX_OPEN_JOBS} training jobs are waiting; try again later")
            row = await store.create_training_job(sql, owner=user, model_id=model_id, config=config)
        try:
            await self._queue.submit(row.id)
        except Unavailable:
            # The row is committed: the trainer finds it when it is back.
            log.warning("trainer not told of a job", job=row.id)
        return public_job(row)

    async def training_job(self, job_id: str, user: str) -> dict[str, Any]:
        """Return a training job.

        Raises:
            NotFound: this user has none of that id.
        """
        async with self._database.read() as sql:
            row = await store.training_job(sql, job_id, user)
        if row is None:
            raise NotFound(f"no training job {job_id!r:.80}")
        return public_job(row)

    async def cancel(self, job_id: str, user: str) -> dict[str, Any]:
        """End a training job; one that is over stays as it is.

        Raises:
            NotFound: this user has none of that id.
        """
        job = await self.training_job(job_id, user)
        if job["status"] in store.OPEN:
            await self._queue.cancel(job_id)
        return await self.training_job(job_id, user)

    async def deploy(
        self, model_id: str, user: str, *, version_id: str | None = None
    ) -> dict[str, Any]:
        """Let a version answer, by default the newest that is ready.

        It is loaded and checked first; whatever goes wrong, the one before keeps answering.

        Raises:
            Conflict: ``not_ready`` for a version that is not finished, or when none is.
            SynqError: ``bad_weights`` for one that cannot be trusted.
        """
        await self._own(model_id, user)
        async with self._database.read() as sql:
            versions = await store.versions(sql, model_id)
        if version_id is None:
            chosen = next((v for v in versions if v.status == "ready"), None)
            if chosen is None:
                raise Conflict("the model has no finished version: train one", code="not_ready")
        else:
            chosen = next((v for v in versions if v.id == version_id), None)
            if chosen is None:
                raise NotFound(f"the model has no version {version_id!r:.80}")
        if chosen.status != "ready":
            raise Conflict(
                f"expected a version that is ready, this one is {chosen.status!r}",
                code="not_ready",
            )
        await self._inference.load(_reference(chosen))
        async with self._database.session() as sql:
            await store.deploy(sql, model_id, chosen.id)
        return {
            "model_id": model_id,
            "version_id": chosen.id,
            "version": chosen.number,
            "status": "deployed",
        }

    async def predict_pattern(
        self, user: str, *, circuit: dict[str, Any], model_id: str | None = None
    ) -> dict[str, Any]:
        """Say which family of algorithms a circuit looks like.

        Answered by the version of ``model_id``, else by the newest the caller deployed, else by the
        one that ships. The answer is stored.

        Raises:
            InvalidInput: not one circuit, or one that cannot be read.
            NotFound: no such circuit, session or model, for this user.
            Conflict: nothing is deployed.
        """
        model, version = await self._serving(model_id, user)
        source = await self._resolve(circuit, user)
        features = await self._parser.features(source.qasm)
        answer = await self._inference.predict(_reference(version), features)
        ranked = sorted(
            zip(answer["labels"], answer["probabilities"], strict=True),
            key=lambda pair: pair[1],
            reverse=True,
        )
        predictions = [
            {"label": label, "confidence": round(float(value), 4)} for label, value in ranked
        ]
        result = {
            "id": new_id(),
            "predictions": predictions,
            "confidence": predictions[0]["confidence"],
            "model": {"id": model.id, "name": model.name, "version": version.number},
            "inference_ms": answer["inference_ms"],
        }
        async with self._database.session() as sql:
            await store.add_prediction(
                sql,
                user=user,
                id=result["id"],
                model_id=model.id,
                version_id=version.id,
                kind=PATTERNS,
                session_id=source.session_id,
                output={"predictions": predictions[:5], "circuit_id": source.circuit_id},
                confidence=result["confidence"],
                inference_ms=answer["inference_ms"],
            )
        return result

    async def _serving(self, model_id: str | None, user: str) -> tuple[Model, ModelVersion]:
        if model_id is not None:
            model = await self._model(model_id, user)
            async with self._database.read() as sql:
                deployed = model.deployed_version
                version = await store.version(sql, deployed) if deployed else None
            if version is None:
                raise Conflict("no version of this model is deployed", code="not_deployed")
            return model, version
        async with self._database.read() as sql:
            found = await store.serving(sql, PATTERNS, user)
        if found is None:
            raise Conflict("no model is deployed: train and deploy one", code="not_deployed")
        return found

    async def _model(self, model_id: str, user: str) -> Model:
        async with self._database.read() as sql:
            row = await store.model(sql, model_id, user)
        if row is None:
            raise NotFound(f"no model {model_id!r:.80}")
        return row

    async def _own(self, model_id: str, user: str) -> Model:
        row = await self._model(model_id, user)
        if row.owner != user:
            raise Forbidden("this model ships with SynQ: make a model of your own to train")
        return row


def public_model(row: Model) -> dict[str, Any]:
    """Return a model as those see it who may."""
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "shipped": row.owner is None,
        "deployed_version": row.deployed_version,
        "created_at": row.created_at,
    }


def public_version(row: ModelVersion) -> dict[str, Any]:
    """Return a version with its card."""
    return {
        "id": row.id,
        "version": row.number,
        "status": row.status,
        "sha256": row.sha256 or None,
        "metrics": row.card.get("metrics", {}),
        "card": row.card,
        "created_at": row.created_at,
    }


def _reference(row: ModelVersion) -> dict[str, str]:
    return {"id": row.id, "path": row.path, "sha256": row.sha256}


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidInput(f"expected {name} from {low:g} to {high:g}, got {value!r}")
