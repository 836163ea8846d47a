"""Ray Train runs with no more processes than they need.

A run of Ray 2.60 (pinned) starts actors for datasets, preemption and cleaning up that ours do not
use, each a process of a second and 60 MB, and its options cannot say so. (The cleaner asks the
dashboard's state API, which SynQ does not start; the trainer actor cleans up instead.)
"""

from __future__ import annotations

import os
from typing import Any

from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import (
    PlacementGroupCleanerCallback,
)

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
