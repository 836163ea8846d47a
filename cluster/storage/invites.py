"""Invites: whoever has the secret gets a role, until it expires."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.identity.roles import Role
from cluster.storage.models import Invite, now_ms

INVITE_TTL_MS = 7 * 24 * 3_600_000


async def create(session: AsyncSession, session_id: str, role: Role, created_by: str) -> str:
    """Store an invite and return its secret, which is kept nowhere."""
    await session.execute(delete(Invite).where(Invite.expires_at < now_ms()))
    secret = secrets.token_urlsafe(24)
    expires_at = now_ms() + INVITE_TTL_MS
    session.add(
        Invite(
            id=_name(secret),
            session_id=session_id,
            role=role,
            created_by=created_by,
            expires_at=expires_at,
        )
    )
    return secret


async def role_of(session: AsyncSession, session_id: str, secret: str) -> Role | None:
    """Return the role an invite to this session gives; None where it is none, or has expired."""
    role = await session.scalar(
        select(Invite.role).where(
            Invite.id == _name(secret),
            Invite.session_id == session_id,
            Invite.expires_at > now_ms(),
        )
    )
    return None if role is None else Role(role)


def _name(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
