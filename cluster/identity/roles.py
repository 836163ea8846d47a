"""Roles in a session, and what each permits."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """What one may do in a session."""

    READ = "read"
    WRITE = "write"
    COMMENT = "comment"
    DELETE = "delete"
    MANAGE = "manage"


class Role(StrEnum):
    """A participant's standing; each permits what the one below it does, and more."""

    VIEWER = "viewer"
    COMMENTER = "commenter"
    EDITOR = "editor"
    OWNER = "owner"


PERMISSIONS: dict[Role, tuple[Permission, ...]] = {
    Role.VIEWER: (Permission.READ,),
    Role.COMMENTER: (Permission.READ, Permission.COMMENT),
    Role.EDITOR: (Permission.READ, Permission.WRITE, Permission.COMMENT),
    Role.OWNER: tuple(Permission),
}


def effective_role(*, participant: str | None, visibility: str, public_role: str) -> Role | None:
    """Return the role one has, or None for whom the session does not exist.

    A lasting role wins over the public one, even where it is lower: it was given on purpose.
    """
    if participant is not None:
        return Role(participant)
    return Role(public_role) if visibility == "public" else None


def higher(one: Role, other: Role) -> Role:
    """Return the role of the two that permits more."""
    return max(one, other, key=list(Role).index)


def permits(role: Role | None, permission: Permission) -> bool:
    """Say whether ``role`` includes ``permission``."""
    return role is not None and permission in PERMISSIONS[role]
