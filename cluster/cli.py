"""The ``synq`` command: the composition root. It imports the other rooms lazily."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cluster import __version__
from cluster.errors import SynqError
from cluster.settings import Settings, load_settings

app = typer.Typer(
    name="synq",
    help="Edit quantum circuits together, run them at scale, get learned help with them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

READY_TIMEOUT_S = 120.0

Port = Annotated[int | None, typer.Option(help="Port to listen on.  [env: SYNQ_PORT]")]
DataDir = Annotated[Path | None, typer.Option(help="Database, keys, models.  [env: SYNQ_DATA_DIR]")]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"synq {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(2)


@app.command()
def up(port: Port = None, data_dir: DataDir = None) -> None:
    """Start SynQ here, in the foreground, until Ctrl-C."""
    settings = load_settings(port=port, data_dir=data_dir)
    from cluster import processes
    from cluster.telemetry import configure_logging

    configure_logging(settings)
    # Before anything is started: a signal that comes early must still find its handler.
    _handle_signals()
    with processes.exclusive(settings.data_dir):
        _run(settings)


def _handle_signals() -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _run(settings: Settings) -> None:
    from cluster import processes, runtime
    from cluster.telemetry import get_logger

    log = get_logger("synq")
    left_over = runtime.stop(settings)
    if left_over:
        log.warning("ended what an earlier SynQ left behind", processes=left_over)
    runtime.check_port(settings.host, settings.port)
    edge = runtime.choose_edge(settings)
    if edge is edge.HAPROXY and runtime.edge_capacity() < settings.websocket_max_connections:
        log.warning(
            "the limit of open files allows fewer connections than configured",
            connections=runtime.edge_capacity(),
            configured=settings.websocket_max_connections,
        )
    _say(f"Starting SynQ {__version__} (edge: {edge.value}, data: {settings.data_dir.resolve()}) …")
    started = time.monotonic()
    runtime.prepare_environment(settings, edge)
    asyncio.run(_migrate(settings))
    status = 0
    try:
        import ray

        from deployments.app import deploy, start_actors

        runtime.start_ray(settings)
        _handle_signals()  # Ray has put its own handler, an exit without cleaning up, over ours
        ready = start_actors(settings)
        runtime.start_serve(settings)
        deploy()
        ray.get(ready, timeout=READY_TIMEOUT_S)
        _await_ready(settings)
        processes.write_info(settings.data_dir, {"url": settings.url, "edge": edge.value})
        _say(f"SynQ is ready: {settings.url}   ({time.monotonic() - started:.1f} s)")
        if settings.guests_allowed:
            _say(f"Open it signed in: {settings.url}/#token={_owner_token(settings)}")
        _say("Press Ctrl-C to stop.")
        while True:
            signal.pause()
    except (KeyboardInterrupt, SystemExit):
        _say("Stopping …")
    except SynqError as error:
        log.error("did not start", error=error.message)
        status = 2
    except Exception:
        log.exception("did not start")
        status = 1
    # A second Ctrl-C must not stop the stopping.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    processes.remove_info(settings.data_dir)
    runtime.stop(settings)
    # Not through the interpreter's exit: Ray's own would wait there for processes that are gone.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _say(line: str) -> None:
    print(line, flush=True)


def _owner_token(settings: Settings) -> str:
    from cluster.identity.keys import load_key
    from cluster.identity.tokens import Tokens

    return Tokens(load_key(settings.data_dir), settings).issue("local", name="Local user")


async def _migrate(settings: Settings) -> None:
    from cluster.identity.keys import load_key
    from cluster.storage.database import Database

    load_key(settings.data_dir)
    database = Database(settings)
    try:
        await database.migrate()
    finally:
        await database.close()


def _await_ready(settings: Settings) -> None:
    import httpx

    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            if httpx.get(f"{settings.url}/readyz", timeout=5.0).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise SynqError("SynQ did not become ready; see Ray's logs in /tmp/ray/session_latest")
        time.sleep(0.1)


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to this version's schema; `synq up` does it by itself."""
    asyncio.run(_migrate(load_settings(data_dir=data_dir)))


@app.command()
def down(data_dir: DataDir = None) -> None:
    """Stop the SynQ that runs on a data directory, and whatever it left behind."""
    from cluster import processes, runtime

    settings = load_settings(data_dir=data_dir)
    info = processes.read_info(settings.data_dir)
    if info is not None:
        os.kill(info["pid"], signal.SIGTERM)
        deadline = time.monotonic() + 15.0
        while processes.read_info(settings.data_dir) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
    ended = runtime.stop(settings)
    stopped = info is not None or ended
    typer.echo("SynQ has stopped." if stopped else "SynQ was not running.", err=True)


@app.command()
def status(data_dir: DataDir = None) -> None:
    """Say whether SynQ runs, where, and how its dependencies are. Exits 1 if it is not ready."""
    import httpx

    from cluster import processes

    settings = load_settings(data_dir=data_dir)
    info = processes.read_info(settings.data_dir)
    if info is None:
        typer.echo(f"not running (data: {settings.data_dir.resolve()})")
        raise typer.Exit(1)
    typer.echo(f"running: {info['url']} (process {info['pid']}, edge {info['edge']})")
    try:
        answer = httpx.get(f"{info['url']}/readyz", timeout=5.0)
        for name, check in answer.json()["checks"].items():
            typer.echo(f"  {name}: {check['status']} ({check['ms']} ms)")
        ready = answer.status_code == 200
    except (httpx.HTTPError, ValueError, KeyError) as error:
        typer.echo(f"  not answering: {error}")
        ready = False
    raise typer.Exit(0 if ready else 1)


@app.command()
def token(
    user: Annotated[str, typer.Argument(help="Whom the token names.")],
    ttl: Annotated[int | None, typer.Option(help="Lifetime in seconds.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="A scope; repeatable.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Print a token for USER, and nothing else."""
    from cluster.identity.keys import load_key
    from cluster.identity.tokens import Tokens

    settings = load_settings(data_dir=data_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    tokens = Tokens(load_key(settings.data_dir), settings)
    print(tokens.issue(user, ttl_s=ttl, scopes=tuple(scope or ())))


def main() -> None:
    """Run the command; what is wrong is said in a line, not a traceback."""
    try:
        app()
    except SynqError as error:
        typer.echo(f"synq: {error.message}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
