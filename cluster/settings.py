"""All settings, in one place, from the environment.

Names of the specification are used as they are (``RATE_LIMIT_PER_SECOND``); the rest start with
``SYNQ_``. Every process of one SynQ reads the same environment, which ``synq up`` passes on.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cluster.errors import SynqError


class Edge(StrEnum):
    """What stands in front of the replicas; see ``docs/architecture.md``."""

    AUTO = "auto"
    HAPROXY = "haproxy"
    DIRECT = "direct"
    PROXY = "proxy"


class BadSettings(SynqError):
    """One or more settings have values SynQ cannot start with."""

    code = "bad_settings"


def _plain(name: str, default: object, description: str, **limits: Any) -> Any:
    """Declare a setting under the specification's own name, without a prefix."""
    return Field(
        default,
        validation_alias=AliasChoices(name, name.lower()),
        description=description,
        **limits,
    )


class Settings(BaseSettings):
    """Everything an operator can choose; a bad value is refused at start."""

    model_config = SettingsConfigDict(
        env_prefix="SYNQ_", extra="ignore", frozen=True, populate_by_name=True
    )

    # Where SynQ listens and keeps its data
    host: str = Field("127.0.0.1", description="address the edge listens on")
    port: int = Field(8000, ge=1, le=65535, description="port the edge listens on")
    data_dir: Path = Field(Path("data"), description="database, keys, models and run files")
    edge: Edge = Field(Edge.AUTO, description="haproxy where it exists, else the Python proxy")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="comma-separated origins besides SynQ's own that may open sockets"
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="log level")
    log_json: bool = Field(False, description="one JSON object a line instead of text")

    # WebSocket (names of the specification)
    websocket_max_connections: int = _plain(
        "WEBSOCKET_MAX_CONNECTIONS", 10_000, "sockets over all ingress replicas", ge=1, le=1_000_000
    )
    websocket_heartbeat_interval: int = _plain(
        "WEBSOCKET_HEARTBEAT_INTERVAL", 30_000, "milliseconds", ge=100, le=600_000
    )
    websocket_reconnect_max_attempts: int = _plain(
        "WEBSOCKET_RECONNECT_MAX_ATTEMPTS", 10, "told to clients", ge=0, le=1_000_000
    )
    rate_limit_per_second: int = _plain(
        "RATE_LIMIT_PER_SECOND", 10, "client messages per user", ge=1, le=1_000_000
    )
    rate_limit_per_minute: int = _plain(
        "RATE_LIMIT_PER_MINUTE", 500, "client messages per user", ge=1, le=60_000_000
    )
    max_message_size: int = _plain(
        "MAX_MESSAGE_SIZE", 102_400, "bytes of one client frame", ge=1_024, le=16_777_216
    )
    ingress_replicas: int = Field(1, ge=1, le=256, description="WebSocket replicas, fixed")

    # Storage
    database_url: str | None = _plain(
        "DATABASE_URL", None, "postgresql://… ; unset: SQLite in the data directory"
    )
    redis_url: str | None = _plain("REDIS_URL", None, "redis://… ; unset: in memory")

    # Sessions
    session_actors_per_node: int = Field(
        0,
        ge=0,
        le=1_000,
        validation_alias=AliasChoices("SESSION_ACTORS_PER_NODE", "session_actors_per_node"),
        description=(
            "processes that own live sessions; further sessions share the least loaded. "
            "0: half the processors"
        ),
    )
    session_idle_s: float = Field(60.0, gt=0, description="unload a session after this idle time")
    snapshot_every: int = Field(500, ge=1, description="revisions between snapshots")
    history_keep_revs: int = Field(
        0, ge=0, description="revisions of history a session keeps at least; 0: all"
    )
    max_document_bytes: int = Field(2_097_152, ge=1_024, description="size of one document")

    # Identity
    token_ttl_s: int = Field(86_400, ge=60, le=31_536_000, description="life of a token")
    token_issuer: str = Field("synq", min_length=1, description="iss of tokens")
    token_audience: str = Field("synq", min_length=1, description="aud of tokens")
    guests: bool = Field(True, description="sign browsers in as local guests (loopback only)")

    # Circuits, jobs, learning
    max_circuit_bytes: int = Field(1_048_576, ge=1_024, description="bytes of one program")
    max_circuit_gates: int = Field(
        100_000, ge=1, description="operations of one circuit, gate definitions expanded"
    )
    max_circuit_qubits: int = Field(1_000, ge=1, description="qubits of one circuit")
    max_job_circuits: int = Field(1_000, ge=1, description="circuits of one job")
    max_shots: int = Field(1_000_000, ge=1, description="shots of one job")
    parse_timeout_s: float = Field(10.0, gt=0, description="time to read one circuit")
    simulation_timeout_s: float = Field(300.0, gt=0, description="time to simulate one circuit")
    simulation_memory_bytes: int = Field(
        0, ge=0, description="memory of one simulation; 0: half of what the machine has free"
    )
    training_workers: int = Field(1, ge=1, le=1_024, description="workers of one training job")
    training_timeout_s: float = Field(7_200.0, gt=0, description="time of one training job")

    # Ray
    num_cpus: int | None = Field(None, ge=1, description="CPUs Ray may use; unset: all")
    ray_address: str | None = Field(None, description="join this Ray cluster instead of starting")

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value in (None, ""):
            return None
        if not value.startswith(("postgresql://", "postgres://", "sqlite:///")):
            raise ValueError("expected postgresql://user@host/name or sqlite:///path")
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: str | None) -> str | None:
        if value in (None, ""):
            return None
        if not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("expected redis://host:port/db, rediss://… or unix://…")
        return value

    @property
    def loopback(self) -> bool:
        """Whether the edge listens on this machine's loopback alone."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def guests_allowed(self) -> bool:
        """Guests are for a laptop: refused as soon as another machine could be one."""
        return self.guests and self.loopback and self.database_url is None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds SynQ."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{host}:{self.port}"

    @property
    def sqlalchemy_url(self) -> str:
        """The database's address in SQLAlchemy's form, with an asyncio driver."""
        if self.database_url is None:
            return f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'synq.db'}"
        scheme, rest = self.database_url.split("://", 1)
        driver = "sqlite+aiosqlite" if scheme == "sqlite" else "postgresql+asyncpg"
        return f"{driver}://{rest}"


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment; ``overrides`` (field names) win.

    Raises:
        BadSettings: names every bad variable, its value and what is allowed.
    """
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        lines = []
        for issue in error.errors():
            name = str(issue["loc"][0])
            field = Settings.model_fields.get(name) or Settings.model_fields.get(name.lower())
            variable = name if name.isupper() else f"SYNQ_{name.upper()}"
            note = f" ({field.description})" if field and field.description else ""
            lines.append(f"{variable}={issue['input']!r}: {issue['msg']}{note}")
        raise BadSettings("\n".join(lines)) from error


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return this process's settings, read once."""
    return load_settings()


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that make another process read these same settings."""
    environment = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is None:
            continue
        variable = _variable(name)
        if isinstance(value, tuple):
            environment[variable] = ",".join(value)
        elif isinstance(value, Path):
            environment[variable] = str(value.resolve())
        else:
            environment[variable] = str(value)
    return environment


def as_table() -> str:
    """Return all settings as the Markdown table of ``docs/operations.md``."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = {None: "unset", (): "none"}.get(default, default)
        shown = shown.value if isinstance(shown, Edge) else shown
        rows.append(f"| `{_variable(name)}` | `{shown}` | {field.description} |")
    return "\n".join(rows)


def _variable(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"SYNQ_{name.upper()}"
