"""The tables. Times are epoch milliseconds (UTC); ids are opaque strings."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def new_id() -> str:
    """Return a random id of 16 URL-safe characters (96 bits)."""
    return secrets.token_urlsafe(12)


def now_ms() -> int:
    """Return the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can change them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, int: BigInteger}  # noqa: RUF012


class User(Base):
    """Whoever a token names. Created when first seen to own or join something."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    guest: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[int] = mapped_column(default=now_ms)


class Session(Base):
    """One document with its history. ``epoch`` fences: only its latest holder may append."""

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    visibility: Mapped[str] = mapped_column(String(16), index=True)
    public_role: Mapped[str] = mapped_column(String(16))
    lineage: Mapped[str] = mapped_column(String(32), default=new_id)
    epoch: Mapped[int] = mapped_column(default=0)
    # Where its content came from: {"session", "rev", "how"}.
    origin: Mapped[dict[str, Any] | None]
    created_at: Mapped[int] = mapped_column(default=now_ms)
    updated_at: Mapped[int] = mapped_column(default=now_ms)


class Participant(Base):
    """A user's lasting role in a session."""

    __tablename__ = "participants"
    session_id: Mapped[str] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(16))
    joined_at: Mapped[int] = mapped_column(default=now_ms)


class Item(Base):
    """One entry of a session's history: ``rev`` 1, 2, 3, … without gaps.

    ``op`` is what was applied (after mapping), ``inverse`` what takes it back. ``digest`` is a
    hash of what the client sent under ``seq``; the same number with other content is refused.
    ``detail`` is JSON: what a comment says, or ``{"of": [[first, last], …]}`` of an undo or redo.
    """

    __tablename__ = "items"
    session_id: Mapped[str] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True
    )
    rev: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int]
    client: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(String(128))
    seq: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    op: Mapped[str | None] = mapped_column(Text)
    inverse: Mapped[str | None] = mapped_column(Text)
    group: Mapped[str | None] = mapped_column("grp", String(64))
    detail: Mapped[str | None] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary(8))
    ts: Mapped[int]
    # One number of one client enters the history once, whatever any process believes.
    __table_args__ = (
        Index("uq_items_client_seq", "session_id", "client", "seq", unique=True),
        Index("ix_items_user_id", "user_id"),
    )


class Snapshot(Base):
    """The document at one rev, with what the sequencer folds beside it.

    ``clients``: who sent what last; ``undo``: every user's steps; ``threads``: the comments.
    """

    __tablename__ = "snapshots"
    session_id: Mapped[str] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True
    )
    rev: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lineage: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(Text)
    clients: Mapped[dict[str, Any]] = mapped_column(default=dict)
    undo: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    threads: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    created_at: Mapped[int] = mapped_column(default=now_ms)


class Invite(Base):
    """A link that gives whoever has it a role; ``id`` is a hash, so storage cannot open a door."""

    __tablename__ = "invites"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[str] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), index=True
    )
    role: Mapped[str] = mapped_column(String(16))
    created_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[int] = mapped_column(default=now_ms)
    expires_at: Mapped[int] = mapped_column(index=True)


class Circuit(Base):
    """A stored program, as it was written."""

    __tablename__ = "circuits"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    owner: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    session_id: Mapped[str | None] = mapped_column(
        ForeignKey("sessions.id", ondelete="SET NULL"), index=True
    )
    name: Mapped[str] = mapped_column(String(200))
    format: Mapped[str] = mapped_column(String(8))
    qasm: Mapped[str] = mapped_column(Text)
    qubits: Mapped[int] = mapped_column(Integer)
    clbits: Mapped[int] = mapped_column(Integer)
    depth: Mapped[int] = mapped_column(Integer)
    gates: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[int] = mapped_column(default=now_ms)


class Job(Base):
    """A batch of circuits to simulate; ``results`` are rows of their own."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    owner: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    status: Mapped[str] = mapped_column(String(16), index=True)
    shots: Mapped[int]
    seed: Mapped[int]
    total: Mapped[int] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(default=now_ms)
    started_at: Mapped[int | None]
    finished_at: Mapped[int | None]


class JobCircuit(Base):
    """One circuit of a job: its input as it was at submission, how to run it, and its result."""

    __tablename__ = "job_circuits"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    circuit_id: Mapped[str | None] = mapped_column(String(32))
    session_id: Mapped[str | None] = mapped_column(String(32), index=True)
    qasm: Mapped[str] = mapped_column(Text)
    plan: Mapped[dict[str, Any]] = mapped_column(default=dict)
    result: Mapped[dict[str, Any] | None]
    finished_at: Mapped[int | None]


class Model(Base):
    """A learned model by name; what serves is ``deployed_version``."""

    __tablename__ = "models"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    owner: Mapped[str | None] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(32), index=True)
    deployed_version: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[int] = mapped_column(default=now_ms)


class ModelVersion(Base):
    """One set of weights: where they lie, what made them, what they measured."""

    __tablename__ = "model_versions"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16))
    path: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    card: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[int] = mapped_column(default=now_ms)
    __table_args__ = (Index("uq_model_versions_number", "model_id", "number", unique=True),)


class TrainingJob(Base):
    """One run of a trainer."""

    __tablename__ = "training_jobs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    owner: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    version_id: Mapped[str | None] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16), index=True)
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    epoch: Mapped[int] = mapped_column(Integer, default=0)
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    metrics: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(default=now_ms)
    started_at: Mapped[int | None]
    finished_at: Mapped[int | None]


class Prediction(Base):
    """One answer of a model, kept for its history and for measuring it later."""

    __tablename__ = "predictions"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    version_id: Mapped[str] = mapped_column(String(32), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    session_id: Mapped[str | None] = mapped_column(String(32), index=True)
    output: Mapped[dict[str, Any]] = mapped_column(default=dict)
    confidence: Mapped[float] = mapped_column(Float)
    inference_ms: Mapped[float] = mapped_column(Float)
    created_at: Mapped[int] = mapped_column(default=now_ms)


class AuditEntry(Base):
    """Who did what, when, from where, with which outcome."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    ts: Mapped[int] = mapped_column(default=now_ms, index=True)
    user_id: Mapped[str | None] = mapped_column(String(128), index=True)
    session_id: Mapped[str | None] = mapped_column(String(32), index=True)
    action: Mapped[str] = mapped_column(String(64), index=True)
    target: Mapped[str | None] = mapped_column(String(200))
    outcome: Mapped[str] = mapped_column(String(32))
    address: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)


class SpentTicket(Base):
    """A one-use socket ticket that was used; kept until it would have expired."""

    __tablename__ = "spent_tickets"
    jti: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[int] = mapped_column(index=True)
