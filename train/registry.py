"""Model versions on disk: safetensors weights beside a JSON card, and nothing that can run.

A version is a directory with ``model.safetensors`` and ``card.json``. The card says what the
weights are (labels, feature version, architecture), what made them (data, configuration, code) and
what they measured. Reading trusts neither file: size, hash, names, shapes, types and finiteness are
checked against what the architecture demands before a single number is used.

Neither torch nor, until weights are checked, Qiskit: whoever copies a version stays light.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as dump_safetensors

from cluster.errors import SynqError

WEIGHTS = "model.safetensors"
CARD = "card.json"
# Ours have some hundred kilobytes; a file beyond this is not one of ours.
MAX_WEIGHTS_BYTES = 10_000_000
MAX_CARD_BYTES = 200_000
PRETRAINED = Path(__file__).parent / "pretrained"

Weights = Mapping[str, npt.NDArray[np.float32]]


class BadWeights(SynqError):
    """A model version that cannot be trusted or does not fit; whatever serves keeps serving."""

    code = "bad_weights"
    status = 409


@dataclass(frozen=True, slots=True)
class Architecture:
    """A perceptron: ``inputs`` features, hidden layers, ``classes`` outputs."""

    inputs: int
    hidden: tuple[int, ...]
    classes: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every tensor such a network has."""
        shapes: dict[str, tuple[int, ...]] = {
            "mean": (self.inputs,),
            "scale": (self.inputs,),
            "temperature": (1,),
        }
        sizes = (self.inputs, *self.hidden, self.classes)
        for layer, (before, after) in enumerate(pairwise(sizes)):
            shapes[f"layers.{layer}.weight"] = (after, before)
            shapes[f"layers.{layer}.bias"] = (after,)
        return shapes


@dataclass(frozen=True, slots=True)
class Version:
    """A version read back and checked."""

    weights: Weights
    card: dict[str, Any]
    labels: tuple[str, ...]
    architecture: Architecture
    sha256: str


def save_version(directory: Path, weights: Weights, card: Mapping[str, Any]) -> str:
    """Write a version to ``directory`` (replacing it whole) and return the weights' sha256."""
    from train.features import FEATURE_VERSION

    data = dump_safetensors({name: np.ascontiguousarray(v) for name, v in weights.items()})
    digest = hashlib.sha256(data).hexdigest()
    full = {**card, "weights_sha256": digest, "feature_version": FEATURE_VERSION}
    full.setdefault("created_at", int(time.time()))
    check_version(data, full)
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".version-", dir=directory.parent))
    try:
        _write(partial / WEIGHTS, data)
        _write(partial / CARD, json.dumps(full, indent=2, sort_keys=True).encode() + b"\n")
        _publish(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return digest


def load_version(directory: Path, sha256: str | None = None) -> Version:
    """Read and check the version in ``directory``.

    Raises:
        BadWeights: names what was expected and what was found.
    """
    data = _read(directory / WEIGHTS, MAX_WEIGHTS_BYTES)
    try:
        card = json.loads(_read(directory / CARD, MAX_CARD_BYTES))
    except ValueError as error:
        raise BadWeights(f"{CARD} is not JSON: {error}") from error
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise BadWeights(f"{WEIGHTS} does not have the registered sha256 {sha256}")
    return check_version(data, card)


def check_version(data: bytes, card: Any) -> Version:
    """Check weights against their card, tensor by tensor.

    Raises:
        BadWeights: names what was expected and what was found.
    """
    labels, architecture = _check_card(card)
    digest = hashlib.sha256(data).hexdigest()
    if card.get("weights_sha256") != digest:
        raise BadWeights(f"the card expects sha256 {card.get('weights_sha256')}, found {digest}")
    try:
        weights = parse_safetensors(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise BadWeights(f"{WEIGHTS} is not a safetensors file: {error}") from error
    expected = architecture.shapes()
    if set(weights) != set(expected):
        odd = sorted(set(weights) ^ set(expected))
        raise BadWeights(f"expected {len(expected)} tensors, found {len(weights)}; differ: {odd}")
    for name, shape in expected.items():
        tensor = weights[name]
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise BadWeights(
                f"{name} should be float32 {shape}, found {tensor.dtype} {tensor.shape}"
            )
        if not np.isfinite(tensor).all():
            raise BadWeights(f"{name} holds values that are not finite")
    for name in ("scale", "temperature"):
        if not (weights[name] > 0).all():
            raise BadWeights(f"{name} should be positive")
    return Version(weights, card, labels, architecture, digest)


def shipped() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the versions that come with SynQ: per kind, the weights' sha256 and the card."""
    found = {}
    for path in sorted(PRETRAINED.glob(f"*/{CARD}")):
        card = json.loads(_read(path, MAX_CARD_BYTES))
        found[str(card["kind"])] = (str(card["weights_sha256"]), card)
    return found


def copy_version(kind: str, directory: Path) -> None:
    """Put a shipped version into ``directory``, whole or not at all."""
    source = PRETRAINED / kind
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".version-", dir=directory.parent))
    try:
        for name in (WEIGHTS, CARD):
            _write(partial / name, (source / name).read_bytes())
        _publish(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_card(card: Any) -> tuple[tuple[str, ...], Architecture]:
    # Late: looking at cards needs no Qiskit.
    from train.features import FEATURE_NAMES, FEATURE_VERSION

    if not isinstance(card, dict):
        raise BadWeights(f"{CARD} should be an object, found {type(card).__name__}")
    if card.get("feature_version") != FEATURE_VERSION:
        raise BadWeights(
            f"trained on feature version {card.get('feature_version')!r}, "
            f"this SynQ computes version {FEATURE_VERSION}: train it again"
        )
    labels, shape = card.get("labels"), card.get("architecture")
    if (
        not isinstance(labels, list)
        or not 2 <= len(labels) <= 1_000
        or not all(isinstance(label, str) and 0 < len(label) <= 100 for label in labels)
        or len(set(labels)) != len(labels)
    ):
        raise BadWeights(f"{CARD} should list 2 to 1,000 distinct labels")
    hidden = shape.get("hidden") if isinstance(shape, dict) else None
    if (
        not isinstance(hidden, list)
        or len(hidden) > 8
        or not all(isinstance(size, int) and 1 <= size <= 4_096 for size in hidden)
    ):
        raise BadWeights(f"{CARD} should give an architecture with at most 8 hidden layers")
    return tuple(labels), Architecture(len(FEATURE_NAMES), tuple(hidden), len(labels))


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BadWeights(f"{path.name} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise BadWeights(f"{path.name} is larger than {limit} bytes")
    return data


def _publish(partial: Path, directory: Path) -> None:
    partial.chmod(0o755)
    if directory.exists():
        shutil.rmtree(directory)
    partial.rename(directory)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
