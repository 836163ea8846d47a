"""Ray Train runs that leave nothing behind, whatever ends them.

Two things about Ray 2.60 (pinned) that its options cannot say. A run that is ended rather than
asked to stop leaves its placement group, hence its CPUs, to a cleaner actor that needs the
dashboard's state API, which SynQ does not start: so who starts a run hears of the group (`Claim`)
and gives it back. And a run starts actors for datasets and preemption that ours do not use, each a
process of a second and 60 MB.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import (
    PlacementGroupCleanerCallback,
)
from ray.train.v2._internal.execution.callback import WorkerGroupCallback

Claimed = Callable[[str], None]

# How often the controller looks at its workers, so also how long a report may wait; 2 s otherwise,
# which is longer than one of our epochs.
POLL_S = "0.25"


class Run(TorchTrainer):
    """A ``TorchTrainer`` without the helpers above."""

    def fit(self) -> Any:
        """Train to the end; see ``TorchTrainer``."""
        os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", POLL_S)
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
        return super().fit()

    def _create_default_callbacks(self) -> list[Any]:
        unused = (DatasetsCallback, PlacementGroupCleanerCallback)
        return [c for c in super()._create_default_callbacks() if not isinstance(c, unused)]


class Claim(WorkerGroupCallback):
    """Tells of the placement group that a run's workers hold; runs in the controller."""

    def __init__(self, claimed: Claimed) -> None:
        self._claimed = claimed

    def after_worker_group_start(self, worker_group: Any) -> None:
        """Pass on the group's id."""
        state = worker_group.get_worker_group_state()
        self._claimed(state.placement_group_handle.placement_group.id.hex())
