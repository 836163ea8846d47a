"""Logs: one line an event, structured, with ids and without tokens."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import builtins, logging, sys
builtins.print = lambda *a, **k: None  # as Serve does in its replicas
import structlog
from cluster.settings import load_settings
from cluster.telemetry import configure_logging, get_logger
from cluster.identity.keys import SigningKey
from cluster.identity.tokens import Tokens
settings = load_settings(log_json={json})
configure_logging(settings)
token = Tokens(SigningKey(b"k" * 32), settings).issue("alice")
structlog.contextvars.bind_contextvars(request_id="r1")
get_logger("test").info("socket opened", session="s1", url="/ws?ticket=" + token)
sys.stdout.write(token)
"""


def run(*, as_json: bool) -> tuple[str, str]:
    script = SCRIPT.replace("{json}", str(as_json))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout, done.stderr


def test_a_line_is_an_object_with_ids_and_without_the_token() -> None:
    token, output = run(as_json=True)
    (line,) = output.splitlines()
    event = json.loads(line)
    assert event["event"] == "socket opened"
    assert (event["request_id"], event["session"], event["module"]) == ("r1", "s1", "test")
    assert event["url"] == "/ws?ticket=[token]"
    assert token not in output


def test_text_too() -> None:
    token, output = run(as_json=False)
    assert output.count("\n") == 1
    assert "session=s1" in output
    assert "request_id=r1" in output
    assert token not in output
