"""Labelled feature vectors: a plan of recipes, made in parallel, cached by what the plan says.

A dataset is a function of its ``DatasetSpec`` alone: every recipe carries its own seed, so the same
rows come out of one process or of many Ray tasks. Sizes decide the split, so that nothing is tested
at a size it was trained on: multiples of five are for testing, sizes of the form 5k+3 for
calibration, the rest for training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from cluster.processes import give_way
from cluster.telemetry import get_logger
from train.families import FAMILIES, SOURCES, build
from train.features import FEATURE_NAMES, FEATURE_VERSION, circuit_features
from train.rows import Dataset, Rows

log = get_logger(__name__)

# Goes up with every change of what a row holds that its spec does not show.
DATA_VERSION = 2
# The rows of the shipped model, whose spec is the default: a first training starts at once.
SHIPPED = Path(__file__).parent / "pretrained" / "pattern-recognition"
# A Ray task of this many circuits runs about half a second: far above the millisecond it costs.
CHUNK = 24

Split = Literal["train", "calibrate", "test"]
Report = Callable[[int, int], None]

# The gate sets tools emit; None leaves the circuit as its generator wrote it.
_GATE_SETS: tuple[tuple[str, ...] | None, ...] = (
    None,
    ("rz", "sx", "x", "cx"),
    ("rz", "sx", "x", "cz"),
    ("rz", "sx", "x", "ecr"),
    ("u", "cx"),
    ("rx", "ry", "rz", "cz"),
    ("h", "s", "sdg", "t", "tdg", "rz", "cx"),
)


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """What a dataset holds: about ``samples`` training rows, spread evenly over the families."""

    samples: int = 3_000
    seed: int = 7
    families: tuple[str, ...] = FAMILIES

    def digest(self) -> str:
        """Return the content hash of everything the rows depend on."""
        from importlib.metadata import version

        content = {
            "spec": asdict(self),
            "data": DATA_VERSION,
            "features": FEATURE_VERSION,
            "sources": [(s.name, s.family, s.sizes) for s in SOURCES],
            "qiskit": version("qiskit"),
            "mqt.bench": version("mqt.bench"),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make one row."""

    source: int
    size: int
    seed: int


def split_of(size: int) -> Split:
    """Return which split circuits of ``size`` belong to."""
    return "test" if size % 5 == 0 else "calibrate" if size % 5 == 3 else "train"


def plan(spec: DatasetSpec) -> list[Recipe]:
    """Return the recipes of ``spec``: per family equal shares, per source and size equal within."""
    rng = np.random.default_rng(spec.seed)
    recipes = []
    for family in spec.families:
        sources = [(i, s) for i, s in enumerate(SOURCES) if s.family == family]
        share = spec.samples / len(spec.families) / max(1, len(sources))
        for index, source in sources:
            training = sum(split_of(size) == "train" for size in source.sizes)
            each = max(1, round(share / max(1, training)))
            for size in source.sizes:
                # Held-out sizes need fewer rows: they measure, they do not teach.
                copies = each if split_of(size) == "train" else max(1, each // 2)
                recipes += [Recipe(index, size, int(rng.integers(1 << 31))) for _ in range(copies)]
    return recipes


def row(recipe: Recipe) -> npt.NDArray[np.float32]:
    """Make one row: generate, disguise, describe."""
    rng = np.random.default_rng(recipe.seed)
    circuit = build(SOURCES[recipe.source], recipe.size, rng)
    return circuit_features(disguise(circuit, rng))


def disguise(circuit: Any, rng: np.random.Generator) -> Any:
    """Return ``circuit`` as some tool or person might have written it.

    Measurements may be missing, a basis state may be prepared first, qubits are permuted, and the
    whole is rewritten in a random gate set at optimisation level 0, 1 or 2, sometimes for a chip
    whose qubits form a line or a grid.
    """
    from qiskit import QuantumCircuit, transpile
    from qiskit.transpiler import CouplingMap

    dynamic = any(i.operation.name in ("if_else", "reset", "while_loop") for i in circuit.data)
    if rng.random() < 0.4 and not dynamic:
        circuit = circuit.remove_final_measurements(inplace=False)
    order = [int(i) for i in rng.permutation(circuit.num_qubits)]
    result = QuantumCircuit(circuit.num_qubits, circuit.num_clbits)
    if rng.random() < 0.15:
        for qubit in np.flatnonzero(rng.integers(0, 2, circuit.num_qubits)):
            result.x(int(qubit))
    if circuit.num_clbits:
        result.compose(circuit, order, range(circuit.num_clbits), inplace=True)
    else:
        result.compose(circuit, order, inplace=True)
    basis = _GATE_SETS[rng.integers(len(_GATE_SETS))]
    level = int(rng.integers(0, 3))
    coupling = None
    if basis is not None and not dynamic and circuit.num_qubits <= 25 and rng.random() < 0.2:
        side = int(np.ceil(np.sqrt(circuit.num_qubits)))
        line = rng.random() < 0.5
        coupling = (
            CouplingMap.from_line(circuit.num_qubits) if line else CouplingMap.from_grid(side, side)
        )
    if basis is None and level == 0:
        return result
    return transpile(
        result,
        basis_gates=list(basis) if basis is not None else None,
        coupling_map=coupling,
        optimization_level=level,
        seed_transpiler=int(rng.integers(1 << 31)),
    )


def dataset_path(spec: DatasetSpec, directory: Path) -> Path:
    """Return where ``directory`` keeps the dataset of ``spec``."""
    return directory / f"patterns-{spec.digest()[:24]}.npz"


def load_dataset(
    spec: DatasetSpec,
    cache: Path,
    report: Report | None = None,
    *,
    shipped: Path | None = SHIPPED,
) -> Dataset:
    """Return the dataset of ``spec``, from ``cache``, from ``shipped``, or made now.

    Made by Ray tasks when Ray is up in this process, else here. ``report`` hears (done, total).
    The file appears whole or not at all; a damaged one is made again.
    """
    digest = spec.digest()
    path = dataset_path(spec, cache)
    for known in (path, *([dataset_path(spec, shipped)] if shipped is not None else [])):
        if known.exists():
            try:
                return _read(known, spec, digest)
            except (OSError, ValueError, KeyError, BadZipFile) as error:
                log.warning("damaged dataset made again", file=known.name, error=str(error))
    recipes = plan(spec)
    chunks = [recipes[i : i + CHUNK] for i in range(0, len(recipes), CHUNK)]
    made: list[tuple[Recipe, npt.NDArray[np.float32]]] = []
    for chunk, rows in _each_chunk(chunks):
        made += zip(chunk, rows, strict=True)
        if report is not None:
            report(len(made), len(recipes))
    # Ray answers in any order; the dataset must not depend on it.
    made.sort(key=lambda item: (item[0].source, item[0].size, item[0].seed))
    dataset = _assemble(made, spec, digest)
    _write(path, dataset)
    return dataset


def _rows_in_task(recipes: Sequence[Recipe]) -> list[npt.NDArray[np.float32]]:
    give_way()
    return _rows(recipes)


def _rows(recipes: Sequence[Recipe]) -> list[npt.NDArray[np.float32]]:
    return [row(recipe) for recipe in recipes]


def _each_chunk(
    chunks: Sequence[list[Recipe]],
) -> Iterator[tuple[list[Recipe], list[npt.NDArray[np.float32]]]]:
    import ray

    if not ray.is_initialized():
        for chunk in chunks:
            yield chunk, _rows(chunk)
        return
    task = ray.remote(num_cpus=1, max_retries=2)(_rows_in_task)
    waiting = {task.remote(chunk): chunk for chunk in chunks}
    while waiting:
        (ready,), _ = ray.wait(list(waiting), num_returns=1)
        yield waiting.pop(ready), ray.get(ready)


def _assemble(
    made: Sequence[tuple[Recipe, npt.NDArray[np.float32]]], spec: DatasetSpec, digest: str
) -> Dataset:
    families = {family: index for index, family in enumerate(spec.families)}
    splits: dict[str, tuple[list[npt.NDArray[np.float32]], list[int]]] = {
        "train": ([], []),
        "calibrate": ([], []),
        "test": ([], []),
    }
    seen: set[bytes] = set()
    for recipe, features in made:
        key = split_of(recipe.size).encode() + features.tobytes()
        if key in seen:  # a disguise that changed nothing teaches nothing
            continue
        seen.add(key)
        rows, labels = splits[split_of(recipe.size)]
        rows.append(features)
        labels.append(families[SOURCES[recipe.source].family])

    def stack(name: str) -> Rows:
        rows, labels = splits[name]
        matrix = np.array(rows, np.float32).reshape(len(rows), len(FEATURE_NAMES))
        return Rows(matrix, np.array(labels, np.int64))

    return Dataset(stack("train"), stack("calibrate"), stack("test"), spec.families, digest)


def _write(path: Path, dataset: Dataset) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{id(dataset)}.partial.npz")
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in ("train", "calibrate", "test"):
        rows: Rows = getattr(dataset, name)
        arrays[f"{name}_features"], arrays[f"{name}_labels"] = rows.features, rows.labels
    np.savez_compressed(partial, allow_pickle=False, **arrays)
    partial.replace(path)


def _read(path: Path, spec: DatasetSpec, digest: str) -> Dataset:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        splits = []
        for name in ("train", "calibrate", "test"):
            features, labels = arrays[f"{name}_features"], arrays[f"{name}_labels"]
            if features.shape != (len(labels), len(FEATURE_NAMES)):
                raise ValueError(f"{name} has shape {features.shape}")
            splits.append(Rows(features.astype(np.float32), labels.astype(np.int64)))
    train, calibrate, test = splits
    return Dataset(train, calibrate, test, spec.families, digest)
