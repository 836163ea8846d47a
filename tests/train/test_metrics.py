"""Metrics, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from train.metrics import calibration_error, classification


def test_macro_scores_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]], np.float32)
    labels = np.array([0, 0, 1, 1])
    result = classification(probabilities, labels)
    assert result["accuracy"] == 0.75
    assert result["precision"] == pytest.approx((2 / 3 + 1) / 2)
    assert result["recall"] == pytest.approx((1 + 0.5) / 2)
    assert result["f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert result["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.7]).mean(), rel=1e-6)


def test_a_confident_liar_is_badly_calibrated() -> None:
    always = np.tile(np.array([[1.0, 0.0]], np.float32), (10, 1))
    assert calibration_error(always, np.zeros(10, np.int64)) == pytest.approx(0)
    assert calibration_error(always, np.ones(10, np.int64)) == pytest.approx(1)


def test_no_rows_no_numbers() -> None:
    empty = classification(np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
    assert set(empty.values()) == {0.0}
