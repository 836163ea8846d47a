"""Sessions as every surface sees them: REST, GraphQL, the sockets' handshake, jobs and learning."""

from __future__ import annotations

import unicodedata
from typing import Any

from actors import directory
from actors.named import call
from actors.ot.circuit import Circuit
from actors.ot.kinds import CIRCUIT, KINDS
from actors.ot.text import from_units
from cluster.errors import Forbidden, InvalidInput, NotFound, TooLarge
from cluster.identity.roles import Permission, Role, permits
from cluster.settings import Settings
from cluster.storage import items as log_store
from cluster.storage import sessions as store
from cluster.storage.database import Database
from cluster.storage.sessions import Access

PUBLIC_ROLES = (Role.VIEWER, Role.COMMENTER, Role.EDITOR)
MAX_PAGE = 200


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
        content: Any = None,
        visibility: str = "private",
        public_role: str = Role.VIEWER,
        origin: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Make a session owned by ``user``.

        ``content`` is a text or a circuit's object, by ``kind``; ``origin`` says what it was made
        of, where it was: ``{"session", "rev", "how"}``.

        Raises:
            InvalidInput: a name, kind or role that is none; content that is not of the kind.
            TooLarge: more content than a document may have.
        """
        name = _clean_name(name)
        if visibility not in ("private", "public"):
            raise InvalidInput(f"expected visibility 'private' or 'public', got {visibility!r}")
        if public_role not in PUBLIC_ROLES:
            raise InvalidInput(
                f"expected a public_role of {', '.join(PUBLIC_ROLES)}, got {public_role!r}"
            )
        stored = self._initial(kind, content)
        async with self._database.session() as sql:
            row = await store.create(
                sql,
                owner=user,
                name=name,
                kind=kind,
                content=stored,
                visibility=visibility,
                public_role=public_role,
                origin=origin,
            )
        return _public(Access(row, Role.OWNER, participant=True), 0)

    def _initial(self, kind: str, content: Any) -> str:
        """Return a new document as storage keeps it."""
        if kind not in KINDS:
            raise InvalidInput(f"expected a kind of {', '.join(KINDS)}, got {kind!r:.40}")
        if kind == "circuit":
            circuit = Circuit.from_json(content) if content else Circuit.empty()
            return self._bounded(CIRCUIT.dump(circuit))
        if not isinstance(content, str | None):
            raise InvalidInput(f"expected text as content, got {type(content).__name__}")
        # One form of line break, as in an editor: CodeMirror counts each as one unit.
        text = (content or "").replace("\r\n", "\n").replace("\r", "\n")
        if "\0" in text:
            raise InvalidInput("expected a document without NUL characters")
        from_units(text)  # refuses half of a surrogate pair
        return self._bounded(text)

    def _bounded(self, stored: str) -> str:
        allowed = self._settings.max_document_bytes
        if len(stored) > allowed:
            raise TooLarge(
                f"expected a document of at most {allowed} characters, got {len(stored)}"
            )
        return stored

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

    async def delete(self, session_id: str, user: str) -> None:
        """Delete a session and its history; its sockets are closed.

        Raises:
            Forbidden: the role does not include deleting.
        """
        await self.access(session_id, user, Permission.DELETE)
        async with self._database.session() as sql:
            await store.remove(sql, session_id)
        await call(directory.handle().remove.remote(session_id))


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
        "origin": row.origin,
        "rev": rev,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
