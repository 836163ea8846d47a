"""Training on Ray Train learns, on one worker and on two, and ends as it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.settings import Settings
from tests.local_ray import local_ray
from train.datasets import DatasetSpec, load_dataset
from train.registry import load_version, save_version
from train.rows import Dataset, Rows

__all__ = ["local_ray"]
pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(180),
    # Ray Data warns about its own defaults when Ray Train imports it.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def tiny() -> Dataset:
    """Four families of the shipped rows."""
    full = load_dataset(DatasetSpec(), Path("/nonexistent"))
    families = ("adder", "ghz", "qft", "w-state")
    old = [full.families.index(family) for family in families]

    def choose(rows: Rows) -> Rows:
        keep = np.isin(rows.labels, old)
        return Rows(rows.features[keep], np.searchsorted(old, rows.labels[keep]).astype(np.int64))

    return Dataset(
        choose(full.train), choose(full.calibrate), choose(full.test), families, "0" * 64
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_training_learns(local_ray: Settings, workers: int, tmp_path: Path) -> None:
    from train.pattern_recognition import PatternConfig, PatternRecognitionTrainer

    config = PatternConfig(epochs=3, num_workers=workers, hidden=(32,))
    trained = PatternRecognitionTrainer(
        config, tiny(), storage=tmp_path, name=f"run-{workers}"
    ).fit()
    epochs = trained.card["epochs"]
    assert [entry["epoch"] for entry in epochs] == [1, 2, 3]
    assert epochs[-1]["loss"] < 0.7 * epochs[0]["loss"]
    # Chance is 0.25; these families are easy.
    assert trained.card["metrics"]["accuracy"] > 0.8
    for name in ("accuracy", "precision", "recall", "f1", "loss", "ece", "inference_ms"):
        assert name in trained.card["metrics"]
    digest = save_version(tmp_path / "version", trained.weights, trained.card)
    version = load_version(tmp_path / "version", digest)
    assert version.labels == ("adder", "ghz", "qft", "w-state")
