"""The pattern recognition trainer: algorithm families from circuit features, on Ray Train.

Per epoch the workers report loss and the held-out metrics with a checkpoint (safetensors and JSON:
network, optimiser state, epoch), so that a run that was killed goes on from its last epoch under
the same name. After the last epoch the temperature is fitted on the calibration sizes and the
unseen sizes are measured once.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig, UserCallback
from safetensors.torch import load_file, save_file
from torch import nn

from cluster import __version__
from cluster.processes import give_way
from train.metrics import classification, rounded
from train.models import PatternNetwork
from train.registry import Architecture, Weights
from train.rows import Dataset, Rows, describe
from train.runs import Run

KIND = "pattern-recognition"
# Checkpoints are small and only the last is needed to go on; the one before is a safety net.
KEPT_CHECKPOINTS = 2

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class PatternConfig:
    """How to train; the defaults are those of the specification."""

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.001
    seed: int = 0
    hidden: tuple[int, ...] = (128, 64)
    dropout: float = 0.2
    weight_decay: float = 0.01
    num_workers: int = 1


@dataclass(frozen=True, slots=True)
class Trained:
    """What a finished run leaves: weights and the card that goes with them."""

    weights: Weights
    card: dict[str, Any]


class PatternRecognitionTrainer:
    """Trains one version with ``TorchTrainer``: on GPUs where Ray has enough, else on CPUs.

    Args:
        config: how to train.
        dataset: what to train on.
        storage: directory that all nodes share, for checkpoints.
        name: names the run; the same name goes on where it stopped.
        progress: called in Ray's train controller after each epoch; must be picklable, not block.
    """

    def __init__(
        self,
        config: PatternConfig,
        dataset: Dataset,
        *,
        storage: Path,
        name: str,
        progress: Progress | None = None,
    ) -> None:
        self.config = config
        self.dataset = dataset
        self.storage = storage.resolve()
        self.name = name
        self.progress = progress

    def fit(self) -> Trained:
        """Train to the end and return weights and card.

        Raises:
            ray.train.TrainingFailedError: a worker failed twice.
        """
        data = ray.put((self.dataset.train, self.dataset.calibrate, self.dataset.test))
        workers = self.config.num_workers
        callbacks = [_EpochReports(self.progress)] if self.progress is not None else []
        gpu = ray.cluster_resources().get("GPU", 0) >= workers
        trainer = Run(
            _train_worker,
            # A reference inside a list is passed on as it is, so the rows travel once.
            train_loop_config={
                "config": asdict(self.config),
                "data": [data],
                "classes": len(self.dataset.families),
            },
            scaling_config=ScalingConfig(
                num_workers=workers, use_gpu=gpu, resources_per_worker={"CPU": 1, "GPU": int(gpu)}
            ),
            run_config=RunConfig(
                name=self.name,
                storage_path=str(self.storage),
                failure_config=FailureConfig(max_failures=1),
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=KEPT_CHECKPOINTS),
                callbacks=callbacks,
            ),
        )
        started = time.perf_counter()
        result = trainer.fit()
        with result.checkpoint.as_directory() as directory:
            weights = {
                name: tensor.numpy()
                for name, tensor in load_file(Path(directory) / "network.safetensors").items()
            }
            state = json.loads((Path(directory) / "state.json").read_text())
        return Trained(weights, self._card(state, time.perf_counter() - started))

    def _card(self, state: dict[str, Any], seconds: float) -> dict[str, Any]:
        return {
            "kind": KIND,
            "labels": list(self.dataset.families),
            "architecture": {"hidden": list(self.config.hidden)},
            "config": asdict(self.config),
            "data": describe(self.dataset),
            "metrics": state["metrics"],
            "epochs": state["history"],
            "training_s": round(seconds, 1),
            "code": {
                "synq": __version__,
                "torch": str(torch.__version__),
                "source": source_digest(),
            },
        }


class _EpochReports(UserCallback):
    """Hands rank 0's metrics on; runs in the controller, which must not wait."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def after_report(
        self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any
    ) -> None:
        self.progress(metrics[0])


def source_digest() -> str:
    """Return a hash over this room's modules: which code made a version."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _train_worker(arguments: dict[str, Any]) -> None:
    """One worker of the group: epochs from where the last checkpoint stopped."""
    give_way()
    config = PatternConfig(**arguments["config"])
    train, calibrate, test = ray.get(arguments["data"][0])
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    architecture = Architecture(train.features.shape[1], config.hidden, arguments["classes"])
    network = PatternNetwork(architecture, config.dropout)
    network.normalise_by(train.features)
    device = ray.train.torch.get_device()
    model = ray.train.torch.prepare_model(network)
    network = model.module if world > 1 else model
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    history = _resume(network, optimiser)
    features = torch.from_numpy(train.features).to(device)
    labels = torch.from_numpy(train.labels).to(device)
    # Families differ in how many distinct circuits they have; a rare one counts as much.
    counts = torch.bincount(labels, minlength=architecture.classes).clamp(min=1).float()
    loss_of = nn.CrossEntropyLoss(weight=counts.rsqrt() / counts.rsqrt().mean())
    each = max(1, config.batch_size // world)
    steps = max(1, len(train) // (each * world))
    for epoch in range(len(history), config.epochs):
        # One order for all ranks, seeded by the epoch: a resumed run sees what it would have seen.
        torch.manual_seed((config.seed + 1) * 10_007 + epoch)
        order = torch.randperm(len(train))
        model.train()
        total = 0.0
        for step in range(steps):
            done = (epoch * steps + step) / (config.epochs * steps)
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
            begin = (step * world + rank) * each
            rows = order[begin : begin + each].to(device)
            optimiser.zero_grad()
            loss = loss_of(model(features[rows]), labels[rows])
            loss.backward()
            optimiser.step()
            total += loss.item()
        network.eval()
        last = epoch == config.epochs - 1
        measured = _measure(network, calibrate)
        entry = rounded(
            {
                **measured,
                "validation_loss": measured["loss"],
                "loss": total / steps,
                "epoch": epoch + 1,
            }
        )
        history.append(entry)
        metrics: dict[str, Any] = dict(entry)
        if last:
            network.calibrate(calibrate.features, calibrate.labels)
            metrics = {**rounded(_measure(network, test)), "split": "unseen sizes"}
        _report(rank, entry, network, optimiser, {"history": history, "metrics": metrics})


def _measure(network: PatternNetwork, rows: Rows) -> dict[str, float]:
    """Measure on ``rows``; ``inference_ms`` is the median of single forward passes."""
    result = classification(network.probabilities(rows.features), rows.labels)
    times = []
    for index in range(min(30, len(rows))):
        started = time.perf_counter()
        network.probabilities(rows.features[index : index + 1])
        times.append(1_000 * (time.perf_counter() - started))
    return {**result, "inference_ms": float(np.median(times)) if times else 0.0}


def _report(
    rank: int,
    entry: dict[str, Any],
    network: PatternNetwork,
    optimiser: torch.optim.Optimizer,
    state: dict[str, Any],
) -> None:
    """Report an epoch (a barrier over all ranks); rank 0 adds the checkpoint."""
    if rank != 0:
        ray.train.report(entry)
        return
    moments = {
        f"{index}.{name}": torch.as_tensor(value).reshape(1) if name == "step" else value
        for index, values in optimiser.state_dict()["state"].items()
        for name, value in values.items()
    }
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        save_file(
            {k: v.contiguous() for k, v in network.state_dict().items()},
            path / "network.safetensors",
        )
        save_file({k: v.contiguous() for k, v in moments.items()}, path / "optimiser.safetensors")
        (path / "state.json").write_text(json.dumps(state))
        ray.train.report(entry, checkpoint=Checkpoint.from_directory(directory))


def _resume(network: PatternNetwork, optimiser: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Load the run's last checkpoint, if it has one, and return the epochs done."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return []
    with checkpoint.as_directory() as directory:
        path = Path(directory)
        network.load_state_dict(load_file(path / "network.safetensors"))
        saved: dict[int, dict[str, Any]] = {}
        for key, tensor in load_file(path / "optimiser.safetensors").items():
            index, name = key.split(".")
            saved.setdefault(int(index), {})[name] = tensor[0] if name == "step" else tensor
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": saved, "param_groups": groups})
        history: list[dict[str, Any]] = json.loads((path / "state.json").read_text())["history"]
        return history
