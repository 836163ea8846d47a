"""Numbers for a card: how often right, how evenly over the classes, how honest the confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def classification(
    probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Return accuracy, macro precision, recall and F1, log loss and calibration error.

    ``probabilities`` is (n, classes), ``labels`` (n,). Macro means are over the classes that occur
    in ``labels`` or are predicted; a class never predicted has precision 0.
    """
    if not len(labels):
        return dict.fromkeys(("accuracy", "precision", "recall", "f1", "loss", "ece"), 0.0)
    predicted = probabilities.argmax(axis=1)
    precisions, recalls, scores = [], [], []
    for label in np.union1d(labels, predicted):
        hits = float(((predicted == label) & (labels == label)).sum())
        precision = hits / max(1, int((predicted == label).sum()))
        recall = hits / max(1, int((labels == label).sum()))
        precisions.append(precision)
        recalls.append(recall)
        scores.append(2 * precision * recall / max(1e-12, precision + recall))
    chosen = probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": float((predicted == labels).mean()),
        "precision": float(np.mean(precisions)),
        "recall": float(np.mean(recalls)),
        "f1": float(np.mean(scores)),
        "loss": float(-np.log(np.clip(chosen, 1e-9, 1)).mean()),
        "ece": calibration_error(probabilities, labels),
    }


def calibration_error(
    probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], bins: int = 15
) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = 0.0
    for index in range(bins):
        inside = which == index
        if inside.any():
            gap += float(inside.mean() * abs(correct[inside].mean() - confidence[inside].mean()))
    return gap


def rounded(values: dict[str, Any], digits: int = 4) -> dict[str, Any]:
    """Round floats for people; what is not a float stays as it is."""
    return {k: round(v, digits) if isinstance(v, float) else v for k, v in values.items()}
