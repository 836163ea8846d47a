"""The registry reads only what it would have written."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save as dump

from train.features import FEATURE_NAMES
from train.registry import (
    CARD,
    WEIGHTS,
    Architecture,
    BadWeights,
    copy_version,
    load_version,
    save_version,
    shipped,
)

ARCHITECTURE = Architecture(len(FEATURE_NAMES), (8,), 3)
CARD_OF_THREE = {"kind": "test", "labels": ["a", "b", "c"], "architecture": {"hidden": [8]}}


def weights() -> dict[str, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    made = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in ARCHITECTURE.shapes().items()
    }
    for name in ("scale", "temperature"):
        made[name] = np.ones_like(made[name])
    return made


@pytest.fixture
def version(tmp_path: Path) -> Path:
    save_version(tmp_path / "v", weights(), CARD_OF_THREE)
    return tmp_path / "v"


def test_what_is_saved_is_loaded(version: Path) -> None:
    loaded = load_version(version)
    assert loaded.labels == ("a", "b", "c")
    assert loaded.architecture == ARCHITECTURE
    for name, array in weights().items():
        assert (loaded.weights[name] == array).all()
    assert load_version(version, loaded.sha256).sha256 == loaded.sha256
    assert sorted(p.name for p in version.iterdir()) == sorted([CARD, WEIGHTS])


def rewrite(version: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the weights and let the card agree, as someone who means harm would."""
    import hashlib

    tensors = weights()
    change(tensors)
    data = dump(tensors)
    (version / WEIGHTS).write_bytes(data)
    card = json.loads((version / CARD).read_text())
    card["weights_sha256"] = hashlib.sha256(data).hexdigest()
    (version / CARD).write_text(json.dumps(card))


def _nan(tensors: dict[str, Any]) -> None:
    tensors["layers.0.weight"][0, 0] = np.nan


def _shape(tensors: dict[str, Any]) -> None:
    tensors["layers.1.bias"] = np.zeros(4, np.float32)


def _type(tensors: dict[str, Any]) -> None:
    tensors["mean"] = tensors["mean"].astype(np.float64)


def _missing(tensors: dict[str, Any]) -> None:
    del tensors["scale"]


def _extra(tensors: dict[str, Any]) -> None:
    tensors["more"] = np.zeros(1, np.float32)


def _cold(tensors: dict[str, Any]) -> None:
    tensors["temperature"][:] = 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_nan, "not finite"), (_shape, r"layers.1.bias should be float32 \(3,\)"),
        (_type, "mean should be float32"), (_missing, "differ"), (_extra, "differ"),
        (_cold, "temperature should be positive"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused(
    version: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    rewrite(version, change)
    with pytest.raises(BadWeights, match=says):
        load_version(version)


def test_a_flipped_bit_is_refused(version: Path) -> None:
    data = bytearray((version / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (version / WEIGHTS).write_bytes(data)
    with pytest.raises(BadWeights, match="sha256"):
        load_version(version)


def test_other_weights_than_registered_are_refused(version: Path) -> None:
    with pytest.raises(BadWeights, match="registered sha256"):
        load_version(version, "0" * 64)


def test_a_pickle_is_refused_and_never_run(version: Path, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    data = pickle.dumps(Harm())
    (version / WEIGHTS).write_bytes(data)
    import hashlib

    card = json.loads((version / CARD).read_text())
    card["weights_sha256"] = hashlib.sha256(data).hexdigest()
    (version / CARD).write_text(json.dumps(card))
    with pytest.raises(BadWeights, match="not a safetensors file"):
        load_version(version)
    assert not (tmp_path / "ran").exists()


def test_an_oversize_file_is_not_read(version: Path) -> None:
    with (version / WEIGHTS).open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte that costs nothing unless it is read
    with pytest.raises(BadWeights, match="larger than"):
        load_version(version)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"feature_version": 999}, "feature version 999"),
        ({"labels": ["a"]}, "labels"),
        ({"labels": ["a", "a", "b"]}, "distinct"),
        ({"architecture": {"hidden": [10**9]}}, "architecture"),
        ({"architecture": None}, "architecture"),
    ],
)
def test_cards_that_make_no_sense_are_refused(
    version: Path, change: dict[str, Any], says: str
) -> None:
    card = json.loads((version / CARD).read_text()) | change
    (version / CARD).write_text(json.dumps(card))
    with pytest.raises(BadWeights, match=says):
        load_version(version)


def test_missing_or_broken_files_are_named(version: Path) -> None:
    (version / CARD).write_text("{")
    with pytest.raises(BadWeights, match=r"card\.json is not JSON"):
        load_version(version)
    (version / WEIGHTS).unlink()
    with pytest.raises(BadWeights, match=r"model\.safetensors cannot be read"):
        load_version(version)


def test_bad_weights_are_not_even_saved(tmp_path: Path) -> None:
    bad = weights()
    bad["mean"][0] = np.inf
    with pytest.raises(BadWeights):
        save_version(tmp_path / "v", bad, CARD_OF_THREE)
    assert not list(tmp_path.iterdir())


def test_a_shipped_version_is_copied_whole(tmp_path: Path) -> None:
    for kind, (sha256, card) in shipped().items():
        copy_version(kind, tmp_path / "copy")
        assert load_version(tmp_path / "copy", sha256).card == card
