"""The one error hierarchy: what went wrong, as a stable code that every surface can translate."""

from __future__ import annotations


class SynqError(Exception):
    """An error a caller is told about.

    Attributes:
        code: stable, machine-readable name (``not_found``); part of the API.
        status: the HTTP status a web surface answers with.
        message: what was expected and what came, for a person.
        retryable: whether the same request may succeed later.
        details: further members of the problem document (positions, limits).
    """

    code = "internal"
    status = 500
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        retryable: bool | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status
        if retryable is not None:
            self.retryable = retryable
        self.details = details or {}

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross Ray's process boundary; keyword arguments would be lost by the default.
        return (
            _rebuild,
            (type(self), self.message, self.code, self.status, self.retryable, self.details),
        )


def _rebuild(
    cls: type[SynqError],
    message: str,
    code: str,
    status: int,
    retryable: bool,
    details: dict[str, object],
) -> SynqError:
    return cls(message, code=code, status=status, retryable=retryable, details=details)


class InvalidInput(SynqError):
    """The request is well-formed but what it says cannot be done."""

    code = "invalid"
    status = 422


class Unauthenticated(SynqError):
    """No token, or one that does not verify."""

    code = "unauthenticated"
    status = 401


class Forbidden(SynqError):
    """The caller is known and may see the thing, but may not do this to it."""

    code = "forbidden"
    status = 403


class NotFound(SynqError):
    """The thing does not exist, or the caller may not know that it does."""

    code = "not_found"
    status = 404


class Conflict(SynqError):
    """The state of the thing does not allow this now."""

    code = "conflict"
    status = 409


class TooLarge(SynqError):
    """An input beyond a limit; the message names what was found and what is allowed."""

    code = "too_large"
    status = 413


class Unavailable(SynqError):
    """A dependency is missing for the moment: fail closed, say so, let the caller retry."""

    code = "unavailable"
    status = 503
    retryable = True
