"""The networks. One so far: a perceptron over circuit features, normalised and calibrated inside.

Normalisation and temperature are part of the weights, so that a version cannot be served with
another's statistics.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from train.registry import Architecture, Version, Weights

# A feature this many deviations out says no more than one less far out; new circuits have them.
CLIP = 6.0


class PatternNetwork(nn.Module):
    """Features (n, inputs) to logits (n, classes)."""

    mean: Tensor
    scale: Tensor
    temperature: Tensor

    def __init__(self, architecture: Architecture, dropout: float = 0.2) -> None:
        super().__init__()
        sizes = (architecture.inputs, *architecture.hidden, architecture.classes)
        self.register_buffer("mean", torch.zeros(architecture.inputs))
        self.register_buffer("scale", torch.ones(architecture.inputs))
        self.register_buffer("temperature", torch.ones(1))
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Return uncalibrated logits."""
        values = ((features - self.mean) / self.scale).clamp(-CLIP, CLIP)
        for layer in self.layers[:-1]:
            values = self.dropout(torch.relu(layer(values)))
        return self.layers[-1](values)  # type: ignore[no-any-return]

    @torch.inference_mode()
    def probabilities(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return calibrated probabilities (n, classes) for features (n, inputs)."""
        logits = self(torch.from_numpy(features).to(self.mean.device))
        result: npt.NDArray[np.float32] = torch.softmax(logits / self.temperature, 1).cpu().numpy()
        return result

    def normalise_by(self, features: npt.NDArray[np.float32]) -> None:
        """Take mean and scale from training features; constant ones are left as they are."""
        scale = features.std(axis=0)
        self.mean.copy_(torch.from_numpy(features.mean(axis=0)))
        self.scale.copy_(torch.from_numpy(np.where(scale < 1e-4, 1.0, scale).astype(np.float32)))

    def calibrate(self, features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
        """Set the temperature that minimises the log loss on held-out rows (Guo et al. 2017)."""
        with torch.inference_mode():
            logits = self(torch.from_numpy(features).to(self.mean.device))
            target = torch.from_numpy(labels).to(logits.device)
            choices = torch.logspace(-1, 1, 81)
            losses = [nn.functional.cross_entropy(logits / t, target).item() for t in choices]
        self.temperature.fill_(float(choices[int(np.argmin(losses))]))

    def to_weights(self) -> Weights:
        """Return all tensors as float32 arrays, by name."""
        return {name: t.detach().cpu().float().numpy() for name, t in self.state_dict().items()}


def restore(version: Version) -> PatternNetwork:
    """Build the network of a checked version, ready to answer."""
    network = PatternNetwork(version.architecture)
    state = {name: torch.from_numpy(array.copy()) for name, array in version.weights.items()}
    network.load_state_dict(state)
    return network.eval()
