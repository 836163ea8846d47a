"""One training run: the actor in which ``fit`` may block, and what is left when it ends.

torch and Qiskit are imported by the driver when it runs, by nobody who imports this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.exceptions import RayTaskError

from actors import NAMESPACE
from cluster.errors import SynqError
from cluster.settings import Settings, get_settings
from cluster.telemetry import configure_logging, get_logger

log = get_logger(__name__)


class Driver:
    """Runs one job's ``fit``; see the module."""

    def run(self, job: dict[str, Any], trainer: Any) -> dict[str, Any]:
        """Train, write the version, return its sha256 and card."""
        settings = get_settings()
        configure_logging(settings)
        from train.datasets import DatasetSpec, load_dataset
        from train.pattern_recognition import PatternConfig, PatternRecognitionTrainer
        from train.registry import save_version

        token, config = job["token"], job["config"]

        def prepared(done: int, of: int) -> None:
            trainer.report.remote(token, {"stage": "data", "prepared": done, "rows": of})

        def epoch_done(metrics: dict[str, Any]) -> None:
            trainer.report.remote(token, {"stage": "training", "metrics": metrics})

        spec = DatasetSpec()
        if config.get("samples"):
            spec = DatasetSpec(samples=config["samples"])
        dataset = load_dataset(spec, settings.data_dir / "datasets", prepared)
        trained = PatternRecognitionTrainer(
            PatternConfig(
                epochs=config["epochs"],
                batch_size=config["batch_size"],
                learning_rate=config["learning_rate"],
                seed=config["seed"],
                num_workers=settings.training_workers,
            ),
            dataset,
            storage=settings.data_dir / "training",
            name=job["id"],
            progress=epoch_done,
        ).fit()
        card = {**trained.card, "training_job": job["id"]}
        sha256 = save_version(version_directory(settings, job["version_id"]), trained.weights, card)
        return {"sha256": sha256, "card": card}


def version_path(version_id: str) -> str:
    """Return where a version lies, relative to the data directory (which may move)."""
    return f"models/{version_id}"


def version_directory(settings: Settings, version_id: str) -> Path:
    """Return where a version lies."""
    return settings.data_dir / version_path(version_id)


def release_orphans() -> int:
    """Give back the resources of runs that were ended, and return how many there were.

    Ray 2.60 keeps a placement group whose creating actor is dead as long as the job lives, and Ray
    Train's own cleaner needs the dashboard, which SynQ does not start. Its table says whose creator
    is dead, but not through the public API. Blocks for one call to the GCS.
    """
    from ray import PlacementGroupID
    from ray._private.state import state
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData as Group
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    found = 0
    for data in state._connect_and_get_accessor().get_placement_group_table():
        group = Group.FromString(data)
        if (
            group.state == Group.REMOVED
            or group.is_detached
            or group.ray_namespace != NAMESPACE
            or not group.creator_actor_id
        ):
            continue
        # A group registered just after its creator died is not marked: ask for the creator too.
        creator = state.actor_table(group.creator_actor_id.hex())
        if group.creator_actor_dead or creator.get("State", "DEAD") == "DEAD":
            remove_placement_group(PlacementGroup(PlacementGroupID(group.placement_group_id)))
            found += 1
    return found


def reason(error: RayTaskError) -> str:
    """Say in one line what a run failed of."""
    cause = error.cause if isinstance(error.cause, Exception) else error
    if isinstance(cause, SynqError):
        return cause.message
    # Ray Train's errors repeat a whole remote traceback; its last line says what happened.
    lines = [line for line in str(cause).strip().splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[-1].strip() if lines else 'no message'}"
