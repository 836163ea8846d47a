"""Make the version that ships: ``python -m train.pretrain [--fresh]``.

Same code, data and seed give the same weights. The rows that ship are used where they are those of
the spec, unless ``--fresh`` asks for them to be made again. QASMBench is only looked at afterwards,
where its files are found: ``circuits/qasmbench`` in ``$SYNQ_TEST_DATA`` (default
``../shared/data``).
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray

from train.datasets import DatasetSpec, dataset_path, load_dataset
from train.families import QASMBENCH
from train.features import circuit_features
from train.metrics import classification, rounded
from train.models import restore
from train.pattern_recognition import KIND, PatternConfig, PatternRecognitionTrainer
from train.registry import PRETRAINED, Version, load_version, save_version

logger = logging.getLogger(__name__)

CONFIG = PatternConfig(epochs=30)
SPEC = DatasetSpec()
USE = "Naming the family of algorithms that a circuit of 2 to 85 qubits belongs to."
LIMITS = (
    "Answers one of its families for any circuit, also for those of none: there is no abstention. "
    "Reliable on constructions like those it was generated from, far less on others: see the "
    "numbers for QASMBench, whose files were never trained on, although generators of the families "
    "it holds were added (train/textbook.py) after a first version did badly there. Deutsch-Jozsa "
    "with a linear oracle and Bernstein-Vazirani are the same circuit."
)


def evaluate_files(version: Version, directory: Path) -> dict[str, Any] | None:
    """Measure ``version`` on the files of QASMBench in ``directory``; None where there are none."""
    from qiskit import qasm2

    rows, labels, names = [], [], []
    for name, family in QASMBENCH.items():
        path = directory / f"{name}.qasm"
        if path.exists() and family in version.labels:
            circuit = qasm2.load(path, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
            rows.append(circuit_features(circuit))
            labels.append(version.labels.index(family))
            names.append(name)
    if not rows:
        return None
    probabilities = restore(version).probabilities(np.array(rows, np.float32))
    truth = np.array(labels, np.int64)
    wrong = {
        name: f"{version.labels[guess]}, is {version.labels[label]}"
        for name, guess, label in zip(names, probabilities.argmax(axis=1), truth, strict=True)
        if guess != label
    }
    measured = rounded(classification(probabilities, truth))
    return {**measured, "files": len(names), "wrong": wrong}


def main() -> None:
    """Train, measure, write ``pretrained/pattern-recognition``."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)  # Qiskit logs every pass at INFO
    target = PRETRAINED / KIND
    with tempfile.TemporaryDirectory() as scratch:
        ray.init(include_dashboard=False, log_to_driver=False)
        try:
            dataset = load_dataset(
                SPEC,
                Path(scratch),
                lambda done, of: logger.info("%d/%d rows", done, of),
                shipped=None if "--fresh" in sys.argv else target,
            )
            trained = PatternRecognitionTrainer(
                CONFIG, dataset, storage=Path(scratch), name="pretrain"
            ).fit()
        finally:
            ray.shutdown()
        card = {**trained.card, "name": "Algorithm families", "created_at": 0, "training_s": None}
        card |= {"intended_use": USE, "limits": LIMITS}
        draft = Path(scratch) / "draft"
        save_version(draft, trained.weights, card)
        files = Path(os.environ.get("SYNQ_TEST_DATA", "../shared/data")) / "circuits/qasmbench"
        card["metrics"]["qasmbench"] = evaluate_files(load_version(draft), files)
        made, known = (dataset_path(SPEC, where) for where in (Path(scratch), target))
        rows = (made if made.exists() else known).read_bytes()
        save_version(target, trained.weights, card)  # replaces the directory, rows and all
        known.write_bytes(rows)
    logger.info("%s", card["metrics"])


if __name__ == "__main__":
    main()
