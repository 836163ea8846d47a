"""Inference: one pass for many requests, versions swapped under load, bad ones refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray import serve

from cluster.errors import InvalidInput
from cluster.settings import load_settings
from deployments import inference
from deployments.inference import KEPT_VERSIONS, MAX_BATCH, Inference
from train.features import FEATURE_NAMES
from train.registry import WEIGHTS, Architecture, BadWeights, save_version

WIDTH = len(FEATURE_NAMES)
LABELS = ["a", "b", "c"]


def make_version(data_dir: Path, name: str, favourite: int) -> dict[str, str]:
    """Save a version that answers ``LABELS[favourite]``, whatever it is asked."""
    architecture = Architecture(WIDTH, (4,), len(LABELS))
    weights = {n: np.zeros(shape, np.float32) for n, shape in architecture.shapes().items()}
    weights["scale"][:] = weights["temperature"][:] = 1
    weights["layers.1.bias"][favourite] = 5
    card = {"labels": LABELS, "architecture": {"hidden": [4]}}
    sha256 = save_version(data_dir / "models" / name, weights, card)
    return {"id": name, "path": f"models/{name}", "sha256": sha256}


@pytest.fixture
async def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inference:
    monkeypatch.setattr(inference, "get_settings", lambda: load_settings(data_dir=tmp_path))
    # All that `serve.batch` asks of the replica it otherwise runs in.
    config = SimpleNamespace(max_ongoing_requests=4 * MAX_BATCH)
    context = SimpleNamespace(_deployment_config=config)
    monkeypatch.setattr(serve, "get_replica_context", lambda: context)
    return Inference()


def best(answer: dict[str, Any]) -> str:
    return str(answer["labels"][int(np.argmax(answer["probabilities"]))])


FEATURES = [0.5] * WIDTH


async def test_many_requests_share_few_passes(replica: Inference, tmp_path: Path) -> None:
    version = make_version(tmp_path, "one", 1)
    await replica.load(version)
    answers = await asyncio.gather(
        *(replica.predict(version, FEATURES) for _ in range(3 * MAX_BATCH))
    )
    assert {best(answer) for answer in answers} == {"b"}
    assert replica.requests == 3 * MAX_BATCH
    assert 3 <= replica.forwards <= 6
    assert max(answer["batch"] for answer in answers) == MAX_BATCH
    assert all(answer["inference_ms"] >= 0 for answer in answers)
    assert all(sum(answer["probabilities"]) == pytest.approx(1) for answer in answers)


async def test_versions_in_one_batch_are_kept_apart(replica: Inference, tmp_path: Path) -> None:
    versions = [make_version(tmp_path, f"v{i}", i) for i in range(3)]
    asked = [versions[i % 3] for i in range(30)]
    answers = await asyncio.gather(*(replica.predict(v, FEATURES) for v in asked))
    assert [best(answer) for answer in answers] == ["abc"[i % 3] for i in range(30)]
    assert replica.forwards < 30


async def test_a_swap_under_load_drops_nothing(replica: Inference, tmp_path: Path) -> None:
    old, new = make_version(tmp_path, "old", 0), make_version(tmp_path, "new", 2)
    await replica.load(old)
    serving = old
    seen: list[str] = []
    stop = False

    async def ask() -> None:
        while not stop:
            mine = serving
            answer = best(await replica.predict(mine, FEATURES))
            assert answer == ("a" if mine is old else "c")
            seen.append(answer)

    askers = [asyncio.ensure_future(ask()) for _ in range(8)]
    await asyncio.sleep(0.1)
    await replica.load(new)
    serving = new
    await asyncio.sleep(0.1)
    stop = True
    await asyncio.gather(*askers)
    assert set(seen) == {"a", "c"}


async def test_a_bad_version_is_refused_and_the_old_one_answers(
    replica: Inference, tmp_path: Path
) -> None:
    good, bad = make_version(tmp_path, "good", 1), make_version(tmp_path, "bad", 0)
    path = tmp_path / "models" / "bad" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1])
    await replica.load(good)
    for _ in range(2):
        with pytest.raises(BadWeights):
            await replica.load(bad)
    assert best(await replica.predict(good, FEATURES)) == "b"
    replica.check_health()
    # Repaired, it loads: a failure is not remembered.
    repaired = make_version(tmp_path, "bad", 0)
    await replica.load(repaired)
    assert best(await replica.predict(repaired, FEATURES)) == "a"


@pytest.mark.parametrize(
    "features",
    [[], [0.0] * (WIDTH - 1), [float("nan")] * WIDTH, [float("inf")] * WIDTH, [1e300] * WIDTH],
)
async def test_features_that_are_none_are_refused(
    replica: Inference, tmp_path: Path, features: list[float]
) -> None:
    with pytest.raises(InvalidInput, match="finite features"):
        await replica.predict(make_version(tmp_path, "one", 1), features)


async def test_loading_is_shared_and_survives_who_asked_first(
    replica: Inference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    real = inference._load

    def counted(settings: Any, version: dict[str, str]) -> Any:
        loads.append(version["id"])
        return real(settings, version)

    monkeypatch.setattr(inference, "_load", counted)
    version = make_version(tmp_path, "one", 1)
    first = asyncio.ensure_future(replica.predict(version, FEATURES))
    others = [asyncio.ensure_future(replica.predict(version, FEATURES)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    assert {best(answer) for answer in await asyncio.gather(*others)} == {"b"}
    assert loads == ["one"]


async def test_only_the_last_used_versions_are_kept(replica: Inference, tmp_path: Path) -> None:
    versions = [make_version(tmp_path, f"v{i}", i % 3) for i in range(KEPT_VERSIONS + 3)]
    for version in versions:
        await replica.predict(version, FEATURES)
    kept = (await replica.stats())["versions"]
    assert kept == [version["id"] for version in versions[-KEPT_VERSIONS:]]
    assert best(await replica.predict(versions[0], FEATURES)) == "a"


def test_nothing_heavy_is_imported_by_those_who_only_ask() -> None:
    """The API and whoever builds the applications stay light."""
    import subprocess
    import sys

    code = (
        "import sys, deployments.app, deployments.api, actors.training\n"
        "print(sorted({'torch', 'safetensors', 'ray.train', 'mqt.bench'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout.strip() == "[]"
