"""Settings: the specification's names, and refusals that say what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.settings import BadSettings, as_environment, as_table, load_settings

DEFAULTS = {
    "websocket_max_connections": 10_000,
    "websocket_heartbeat_interval": 30_000,
    "websocket_reconnect_max_attempts": 10,
    "rate_limit_per_second": 10,
    "rate_limit_per_minute": 500,
    "max_message_size": 102_400,
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SYNQ_") or name.lower() in DEFAULTS or name.endswith("_URL"):
            monkeypatch.delenv(name)


def test_defaults_are_the_specifications() -> None:
    settings = load_settings()
    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS
    assert settings.loopback
    assert settings.guests_allowed


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_names_are_the_specifications(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name.upper(), "2048")
    assert getattr(load_settings(), name) == 2048


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("RATE_LIMIT_PER_SECOND", "0", "greater than or equal to 1"),
        ("SYNQ_PORT", "eighty", "integer"),
        ("SYNQ_PORT", "70000", "65535"),
        ("SYNQ_EDGE", "nginx", "haproxy"),
        ("DATABASE_URL", "mysql://x", "postgresql://"),
        ("REDIS_URL", "http://x", "redis://"),
        ("SYNQ_LOG_LEVEL", "LOUD", "DEBUG"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_what_is_allowed(
    variable: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSettings) as caught:
        load_settings()
    for part in (variable, repr(value), allowed):
        assert part in caught.value.message


def test_the_command_refuses_in_a_line(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "cluster.cli", "up"],
        env={**os.environ, "SYNQ_DATA_DIR": str(tmp_path), "MAX_MESSAGE_SIZE": "many"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 2
    assert "MAX_MESSAGE_SIZE='many'" in run.stderr
    assert "Traceback" not in run.stderr


def test_another_process_reads_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load_settings(
        data_dir=tmp_path, port=9, database_url="postgresql://u@h/d", rate_limit_per_second=3,
        allowed_origins=("https://a", "https://b"),
    )  # fmt: skip
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings
    assert not settings.guests_allowed


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("h", False)],
)
def test_guests_are_for_loopback(host: str, loopback: bool) -> None:
    settings = load_settings(host=host)
    assert settings.loopback is loopback
    assert settings.guests_allowed is loopback


def test_the_operations_page_has_every_setting_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert as_table() in page
