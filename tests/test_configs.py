"""The files in configs/ are what Ray accepts, and name what exists."""

from __future__ import annotations

import importlib
from pathlib import Path

import yaml

CONFIGS = Path(__file__).parent.parent / "configs"


def test_serve() -> None:
    from ray.serve.schema import ServeDeploySchema

    schema = ServeDeploySchema.model_validate(yaml.safe_load((CONFIGS / "serve.yaml").read_text()))
    routes = {app.name: app.route_prefix for app in schema.applications}
    assert routes == {"collaborate": "/ws", "api": "/", "inference": None}
    for app in schema.applications:
        module, name = app.import_path.split(":")
        built = getattr(importlib.import_module(module), name)({})
        assert type(built).__name__ == "Application"


def test_cluster() -> None:
    from ray.autoscaler._private.commands import prepare_config, validate_config

    config = yaml.safe_load((CONFIGS / "ray-cluster.yaml").read_text())
    validate_config(prepare_config(config))
