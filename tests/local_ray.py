"""A small Ray of one test module's own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.settings import Settings, as_environment, load_settings

# Ray reads these in this process, before it starts.
_ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@pytest.fixture(scope="module")
def local_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Start Ray with two CPUs; yields the settings that its processes read."""
    import ray

    settings = load_settings(data_dir=tmp_path_factory.mktemp("data"))
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    root = str(Path(__file__).parent.parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            namespace="synq",
            log_to_driver=False,
            configure_logging=False,
            object_store_memory=200 * 1024 * 1024,
            runtime_env={"env_vars": {**as_environment(settings), "PYTHONPATH": root}},
        )
    try:
        yield settings
    finally:
        ray.shutdown()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
