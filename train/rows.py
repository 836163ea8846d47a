"""Rows of a dataset, apart from how they are made: training workers need no Qiskit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Rows:
    """Feature vectors (n, d) float32 and their labels (n,) int64, indices into the families."""

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The three splits, their labels' names and the content hash they are kept under."""

    train: Rows
    calibrate: Rows
    test: Rows
    families: tuple[str, ...]
    digest: str


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return the counts a model card shows."""
    return {
        "rows": {name: len(getattr(dataset, name)) for name in ("train", "calibrate", "test")},
        "train_rows_by_family": {
            dataset.families[label]: n
            for label, n in sorted(Counter(dataset.train.labels.tolist()).items())
        },
        "sha256": dataset.digest,
    }
