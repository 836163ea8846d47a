"""Datasets: a function of their spec, split by size, cached whole, never pickled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from train.datasets import (
    DatasetSpec,
    Recipe,
    dataset_path,
    load_dataset,
    plan,
    row,
    split_of,
)
from train.families import FAMILIES, QASMBENCH, SOURCES, build

TINY = DatasetSpec(samples=24, seed=3, families=("ghz", "w-state"))


def test_test_sizes_are_never_trained_on() -> None:
    recipes = plan(DatasetSpec())
    sizes = {split: {r.size for r in recipes if split_of(r.size) == split}
             for split in ("train", "calibrate", "test")}  # fmt: skip
    assert not sizes["train"] & sizes["test"]
    assert not sizes["train"] & sizes["calibrate"]
    assert not sizes["calibrate"] & sizes["test"]
    for family in FAMILIES:
        own = {split_of(r.size) for r in recipes if SOURCES[r.source].family == family}
        assert own == {"train", "calibrate", "test"}, family


def test_families_get_even_shares() -> None:
    recipes = plan(DatasetSpec(samples=3_000))
    counts = {
        family: sum(
            split_of(r.size) == "train" for r in recipes if SOURCES[r.source].family == family
        )
        for family in FAMILIES
    }
    assert max(counts.values()) < 2 * min(counts.values())
    assert 2_500 < sum(counts.values()) < 3_500


@pytest.mark.parametrize("index", range(len(SOURCES)), ids=[s.name for s in SOURCES])
def test_every_source_makes_described_circuits(index: int) -> None:
    source = SOURCES[index]
    size = source.sizes[0]
    assert build(source, size, np.random.default_rng(0)).num_qubits >= 2
    first, again = row(Recipe(index, size, 5)), row(Recipe(index, size, 5))
    assert np.isfinite(first).all()
    assert (first == again).all()


def test_made_once_then_read_and_made_again_when_damaged(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    made = load_dataset(TINY, tmp_path, lambda done, of: heard.append((done, of)))
    assert heard[-1][0] == heard[-1][1] == len(plan(TINY))
    assert set(made.train.labels.tolist()) == {0, 1}
    path = dataset_path(TINY, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]

    heard.clear()
    read = load_dataset(TINY, tmp_path, lambda done, of: heard.append((done, of)))
    assert not heard
    assert (read.train.features == made.train.features).all()
    assert (read.test.labels == made.test.labels).all()

    path.write_bytes(path.read_bytes()[:-100])
    again = load_dataset(TINY, tmp_path)
    assert (again.train.features == made.train.features).all()


def test_another_spec_is_another_dataset() -> None:
    assert TINY.digest() != DatasetSpec(samples=25, seed=3, families=TINY.families).digest()
    assert TINY.digest() != DatasetSpec(samples=24, seed=4, families=TINY.families).digest()


def test_evaluation_files_have_known_families() -> None:
    assert set(QASMBENCH.values()) <= set(FAMILIES)
