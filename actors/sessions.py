"""Sessions as every surface sees them: REST, GraphQL, the sockets' handshake, jobs and learning."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

import msgspec

from actors import directory
from actors.named import call
from actors.ot.text import ChangeSet, from_units, to_units
from cluster.errors import Forbidden, InvalidInput, NotFound, TooLarge
from cluster.identity.roles import PERMISSIONS, Permission, Role, permits
from cluster.settings import Settings
from cluster.storage import items as log_store
from cluster.storage import sessions as store
from cluster.storage.database import Database
from cluster.storage.sessions import Access

PUBLIC_ROLES = (Role.VIEWER, Role.COMMENTER, Role.EDITOR)
MAX_PAGE = 200
MAX_HISTORY_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class State:
    """A document at one rev."""

    rev: int
    lineage: str
    kind: str
    state: str


class SessionService:
    """What one may do with sessions. A session one may not see does not exist for one."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def create(
        self,
        user: str,
        *,
        name: str,
        kind: str = "text",
        content: str = "",
        visibility: str = "private",
        public_role: str = Role.VIEWER,
    ) -> dict[str, Any]:
        """Make a session owned by ``user``.

        Raises:
            InvalidInput: a name, kind or role that is none; text that is not.
            TooLarge: more content than a document may have.
        """
        name = _clean_name(name)
        if kind != "text":
            raise InvalidInput(f"expected kind 'text', got {kind!r}")
        if visibility not in ("private", "public"):
            raise InvalidInput(f"expected visibility 'private' or 'public', got {visibility!r}")
        if public_role not in PUBLIC_ROLES:
            raise InvalidInput(
                f"expected a public_role of {', '.join(PUBLIC_ROLES)}, got {public_role!r}"
            )
        # One form of line break, as in an editor: CodeMirror counts each as one unit.
        content = content.replace("\r\n", "\n").replace("\r", "\n")
        if len(content) > self._settings.max_document_bytes:
            raise TooLarge(
                f"expected a document of at most {self._settings.max_document_bytes} characters, "
                f"got {len(content)}"
            )
        if "\0" in content:
            raise InvalidInput("expected a document without NUL characters")
        from_units(content)  # refuses half of a surrogate pair
        async with self._database.session() as sql:
            row = await store.create(
                sql,
                owner=user,
                name=name,
                kind=kind,
                content=content,
                visibility=visibility,
                public_role=public_role,
            )
        return _public(Access(row, Role.OWNER, participant=True), 0)

    async def list(self, user: str, *, limit: int = 50, offset: int = 0) -> dict[str, Any]:
        """Return a page of what ``user`` may see, newest change first."""
        if not (1 <= limit <= MAX_PAGE and offset >= 0):
            raise InvalidInput(f"expected 1 ≤ limit ≤ {MAX_PAGE} and offset ≥ 0")
        async with self._database.read() as sql:
            found, total = await store.visible(sql, user, limit=limit, offset=offset)
            heads = await store.heads(sql, [access.session.id for access in found])
        items = [_public(access, heads.get(access.session.id, 0)) for access in found]
        return {"items": items, "total": total}

    async def get(self, session_id: str, user: str) -> dict[str, Any]:
        """Return one session.

        Raises:
            NotFound: there is none, for this user.
        """
        access = await self.access(session_id, user)
        async with self._database.read() as sql:
            return _public(access, await log_store.head(sql, session_id))

    async def access(
        self, session_id: str, user: str, permission: Permission = Permission.READ
    ) -> Access:
        """Return the session and the caller's role in it.

        Raises:
            NotFound: there is none, for this user.
            Forbidden: the role does not include ``permission``.
        """
        async with self._database.read() as sql:
            access = await store.access(sql, session_id, user)
        if access is None:
            raise NotFound(f"no session {session_id!r:.80}")
        if not permits(access.role, permission):
            raise Forbidden(f"expected the permission {permission.value!r}, role is {access.role}")
        return access

    async def join(self, session_id: str, user: str) -> dict[str, Any]:
        """Make the public role a lasting one; a role one has already stays as it is."""
        access = await self.access(session_id, user)
        if not access.participant:
            async with self._database.session() as sql:
                await store.join(sql, session_id, user, access.role)
        return {
            "session": session_id,
            "role": access.role,
            "permissions": PERMISSIONS[access.role],
        }

    async def leave(self, session_id: str, user: str) -> None:
        """End one's lasting role.

        Raises:
            Forbidden: the owner stays.
        """
        access = await self.access(session_id, user)
        if access.role is Role.OWNER:
            raise Forbidden("the owner cannot leave a session, only delete it")
        async with self._database.session() as sql:
            await store.leave(sql, session_id, user)

    async def participants(self, session_id: str, user: str) -> dict[str, Any]:
        """Return who has a lasting role."""
        await self.access(session_id, user)
        async with self._database.read() as sql:
            rows = await store.participants(sql, session_id)
        items = [
            {"user": row.user_id, "name": name, "role": row.role, "joined_at": row.joined_at}
            for row, name in rows
        ]
        return {"items": items, "total": len(items)}

    async def delete(self, session_id: str, user: str) -> None:
        """Delete a session and its history; its sockets are closed.

        Raises:
            Forbidden: the role does not include deleting.
        """
        await self.access(session_id, user, Permission.DELETE)
        async with self._database.session() as sql:
            await store.remove(sql, session_id)
        await call(directory.handle().remove.remote(session_id))

    async def history(
        self, session_id: str, user: str, *, from_: int = 1, limit: int = 100
    ) -> dict[str, Any]:
        """Return items from rev ``from_`` on, oldest first, and where the next page begins."""
        if not (1 <= limit <= MAX_HISTORY_PAGE and from_ >= 1):
            raise InvalidInput(f"expected 1 ≤ limit ≤ {MAX_HISTORY_PAGE} and from ≥ 1")
        await self.access(session_id, user)
        async with self._database.read() as sql:
            rows = await log_store.items_after(sql, session_id, from_ - 1, limit=limit + 1)
        items = [
            {
                "rev": row.rev,
                "client": row.client,
                "user": row.user_id,
                "seq": row.seq,
                "kind": row.kind,
                "op": msgspec.json.decode(row.op) if row.op is not None else None,
                "ts": row.ts,
            }
            for row in rows[:limit]
        ]
        return {"items": items, "next": rows[limit].rev if len(rows) > limit else None}

    async def state(self, session_id: str, user: str, rev: int | None = None) -> State:
        """Return the document at ``rev``, or as it is now.

        Raises:
            NotFound: no such session, or no such rev.
        """
        await self.access(session_id, user)
        if rev is not None and rev < 0:
            raise InvalidInput(f"expected rev ≥ 0, got {rev}")
        async with self._database.read() as sql:
            stored = await log_store.load(sql, session_id, rev)
        units = to_units(stored.state)
        at = stored.snapshot_rev
        for item in stored.items:
            if item.op is not None:
                units = ChangeSet.from_json(msgspec.json.decode(item.op)).apply(units)
            at = item.rev
        return State(at, stored.lineage, stored.kind, from_units(units))

    async def text(self, session_id: str, user: str) -> str:
        """Return the document's text as it is now."""
        return (await self.state(session_id, user)).state


def _clean_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(name) <= 200:
        raise InvalidInput(f"expected a name of 1 to 200 characters, got {len(name)}")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") for c in name):
        raise InvalidInput("expected a name without control characters")
    return name


def _public(access: Access, rev: int) -> dict[str, Any]:
    row = access.session
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "visibility": row.visibility,
        "public_role": row.public_role,
        "owner": row.owner,
        "role": access.role.value,
        "rev": rev,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
