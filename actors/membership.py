"""Who takes part in a session, and in which role."""

from __future__ import annotations

from typing import Any

from actors import directory
from actors.named import call
from actors.sessions import SessionService
from cluster.errors import Forbidden, InvalidInput, NotFound
from cluster.identity.roles import PERMISSIONS, Permission, Role, higher
from cluster.storage import invites
from cluster.storage import sessions as store
from cluster.storage.database import Database
from cluster.telemetry import get_logger

log = get_logger(__name__)

# An owner is made by making the session, and stays.
GIVEN_ROLES = (Role.VIEWER, Role.COMMENTER, Role.EDITOR)


class MembershipService:
    """What one may do with roles. Live sockets feel a change before its caller is answered."""

    def __init__(self, database: Database, sessions: SessionService) -> None:
        self._database = database
        self._sessions = sessions

    async def join(self, session_id: str, user: str, invite: str | None = None) -> dict[str, Any]:
        """Make the public role, or an invite's, a lasting one; a higher one already held stays.

        Raises:
            NotFound: no such session for this user, or no such invite.
        """
        if invite is not None:
            return await self._accept(session_id, user, invite)
        access = await self._sessions.access(session_id, user)
        if not access.participant:
            async with self._database.session() as sql:
                await store.set_role(sql, session_id, user, access.role)
        return _standing(session_id, access.role)

    async def _accept(self, session_id: str, user: str, invite: str) -> dict[str, Any]:
        async with self._database.session() as sql:
            offered = await invites.role_of(sql, session_id, invite)
            if offered is None:
                raise NotFound("this invite is not known, or has expired")
            access = await store.access(sql, session_id, user)
            held = access is not None and access.participant
            role = higher(offered, access.role) if access is not None and held else offered
            await store.set_role(sql, session_id, user, role)
        await self._tell(session_id, user, role)
        return _standing(session_id, role)

    async def leave(self, session_id: str, user: str) -> None:
        """End one's lasting role.

        Raises:
            Forbidden: the owner stays.
        """
        access = await self._sessions.access(session_id, user)
        if access.role is Role.OWNER:
            raise Forbidden("the owner cannot leave a session, only delete it")
        await self._end(session_id, user)

    async def participants(self, session_id: str, user: str) -> dict[str, Any]:
        """Return who has a lasting role."""
        await self._sessions.access(session_id, user)
        async with self._database.read() as sql:
            rows = await store.participants(sql, session_id)
        items = [
            {"user": row.user_id, "name": name, "role": row.role, "joined_at": row.joined_at}
            for row, name in rows
        ]
        return {"items": items, "total": len(items)}

    async def set_role(
        self, session_id: str, user: str, participant: str, role: str
    ) -> dict[str, Any]:
        """Give ``participant`` a role, whether they had one or not.

        Raises:
            Forbidden: the caller may not manage; or it is the owner's role that would change.
            InvalidInput: a role that cannot be given.
        """
        given = _given(role)
        access = await self._sessions.access(session_id, user, Permission.MANAGE)
        if participant == access.session.owner:
            raise Forbidden("the owner's role cannot change")
        async with self._database.session() as sql:
            await store.set_role(sql, session_id, participant, given)
        await self._tell(session_id, participant, given)
        return {"user": participant, **_standing(session_id, given)}

    async def remove(self, session_id: str, user: str, participant: str) -> None:
        """End another's lasting role; their sockets are closed unless the session is public.

        Raises:
            Forbidden: the caller may not manage; or it is the owner.
            NotFound: they have none.
        """
        access = await self._sessions.access(session_id, user, Permission.MANAGE)
        if participant == access.session.owner:
            raise Forbidden("the owner cannot be removed")
        async with self._database.read() as sql:
            theirs = await store.access(sql, session_id, participant)
        if theirs is None or not theirs.participant:
            raise NotFound(f"no participant {participant!r:.80}")
        await self._end(session_id, participant)

    async def invite(self, session_id: str, user: str, role: str) -> dict[str, Any]:
        """Return a secret that gives whoever joins with it a role, for a week.

        Raises:
            Forbidden: the caller may not manage.
            InvalidInput: a role that cannot be given.
        """
        given = _given(role)
        await self._sessions.access(session_id, user, Permission.MANAGE)
        async with self._database.session() as sql:
            secret = await invites.create(sql, session_id, given, user)
        return {"invite": secret, "role": given.value}

    async def _end(self, session_id: str, user: str) -> None:
        async with self._database.session() as sql:
            await store.leave(sql, session_id, user)
            left = await store.access(sql, session_id, user)
        await self._tell(session_id, user, None if left is None else left.role)

    async def _tell(self, session_id: str, user: str, role: Role | None) -> None:
        value = None if role is None else role.value
        await call(directory.handle().set_role.remote(session_id, user, value))


def _given(role: str) -> Role:
    if role not in GIVEN_ROLES:
        raise InvalidInput(f"expected a role of {', '.join(GIVEN_ROLES)}, got {role!r:.40}")
    return Role(role)


def _standing(session_id: str, role: Role) -> dict[str, Any]:
    return {"session": session_id, "role": role.value, "permissions": PERMISSIONS[role]}
