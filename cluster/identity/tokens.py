"""Issuing and verifying tokens. Pure: the key, the clock's reading and the settings come in."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import lru_cache

import jwt

from cluster.errors import InvalidInput, Unauthenticated
from cluster.identity.keys import SigningKey, load_key
from cluster.settings import Settings, get_settings
from cluster.storage.models import new_id

ACCESS = "at+jwt"
TICKET = "synq-ticket+jwt"
REQUIRED = ["exp", "iat", "sub", "iss", "aud", "jti"]
TICKET_TTL_S = 30
# A token of ours is about 400 bytes; nothing longer is worth decoding.
MAX_TOKEN_CHARS = 8_192
USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}")
SCOPE = re.compile(r"[a-z]+(:[a-z]+)*")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a verified token names."""

    user: str
    name: str
    scopes: frozenset[str]
    token_id: str
    expires_at: int
    guest: bool = False


class Tokens:
    """Issues and verifies the tokens of one SynQ."""

    def __init__(self, key: SigningKey, settings: Settings) -> None:
        self._key = key
        self._settings = settings

    def issue(
        self,
        user: str,
        *,
        ttl_s: int | None = None,
        scopes: tuple[str, ...] = (),
        name: str | None = None,
        guest: bool = False,
        type_: str = ACCESS,
    ) -> str:
        """Return a signed token for ``user``.

        Raises:
            InvalidInput: a user id, scope or lifetime that no token may carry.
        """
        if not USER.fullmatch(user):
            raise InvalidInput(
                f"expected a user id of 1 to 127 letters, digits and ._@+-, got {user!r}"
            )
        for scope in scopes:
            if not SCOPE.fullmatch(scope):
                raise InvalidInput(f"expected a scope such as 'job:submit', got {scope!r}")
        ttl_s = self._settings.token_ttl_s if ttl_s is None else ttl_s
        if ttl_s < 1:
            raise InvalidInput(f"expected a lifetime of at least 1 s, got {ttl_s}")
        now = int(time.time())
        claims: dict[str, object] = {
            "sub": user,
            "iss": self._settings.token_issuer,
            "aud": self._settings.token_audience,
            "iat": now,
            "exp": now + ttl_s,
            "jti": new_id(),
            "scope": " ".join(scopes),
        }
        if name:
            claims["name"] = name
        if guest:
            claims["guest"] = True
        return jwt.encode(
            claims,
            self._key.secret,
            algorithm=self._key.algorithm,
            headers={"typ": type_, "kid": self._key.kid},
        )

    def verify(self, token: str, *, type_: str = ACCESS) -> Principal:
        """Return whom ``token`` names.

        Raises:
            Unauthenticated: the token is malformed, forged, expired, or of another kind. The
                message never repeats the token.
        """
        if len(token) > MAX_TOKEN_CHARS:
            raise Unauthenticated(
                f"expected a token of at most {MAX_TOKEN_CHARS} characters, got {len(token)}"
            )
        try:
            decoded = jwt.decode_complete(
                token,
                self._key.secret,
                algorithms=[self._key.algorithm],
                audience=self._settings.token_audience,
                issuer=self._settings.token_issuer,
                # `iat` is required but not compared: hosts' clocks differ, and `exp` bounds use.
                options={"require": REQUIRED, "verify_iat": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired", code="token_expired") from error
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token does not verify: {error}") from error
        header, claims = decoded["header"], decoded["payload"]
        if header.get("typ") != type_:
            raise Unauthenticated(f"expected a token of type {type_!r}, got {header.get('typ')!r}")
        user = claims["sub"]
        if not isinstance(user, str) or not USER.fullmatch(user):
            raise Unauthenticated("the token's subject is not a user id")
        scope = claims.get("scope", "")
        name = claims.get("name")
        return Principal(
            user=user,
            name=name if isinstance(name, str) and name else user,
            scopes=frozenset(scope.split()) if isinstance(scope, str) else frozenset(),
            token_id=str(claims["jti"]),
            expires_at=int(claims["exp"]),
            guest=claims.get("guest") is True,
        )

    def issue_ticket(self, principal: Principal) -> str:
        """Return a ticket that opens one socket for this caller within 30 s."""
        return self.issue(
            principal.user,
            ttl_s=TICKET_TTL_S,
            scopes=tuple(sorted(principal.scopes)),
            name=principal.name,
            guest=principal.guest,
            type_=TICKET,
        )


@lru_cache(maxsize=1)
def get_tokens() -> Tokens:
    """Return this process's issuer, over the key in the data directory."""
    settings = get_settings()
    return Tokens(load_key(settings.data_dir), settings)
