"""Keys and tokens: nothing but a valid token ever passes."""

from __future__ import annotations

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import InvalidInput, Unauthenticated
from cluster.identity.keys import BadKey, load_key
from cluster.identity.roles import Permission, Role, effective_role, permits
from cluster.identity.tokens import TICKET, Tokens
from cluster.settings import load_settings
from cluster.telemetry import redact


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def tokens(directory: Path) -> Tokens:
    return Tokens(load_key(directory), load_settings(data_dir=directory))


def forge(directory: Path, header: dict[str, Any] | None = None, **claims: Any) -> str:
    now = int(time.time())
    payload = {
        "sub": "alice", "iss": "synq", "aud": "synq", "iat": now, "exp": now + 60, "jti": "j",
        **claims,
    }  # fmt: skip
    payload = {name: value for name, value in payload.items() if value is not None}
    key = load_key(directory).secret
    return jwt.encode(payload, key, algorithm="HS256", headers={"typ": "at+jwt", **(header or {})})


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    key = load_key(tmp_path)
    assert load_key(tmp_path) == key
    assert len(key.secret) == 32
    (file,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    load_key(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert base64.urlsafe_b64encode(key.secret).decode() not in repr(key)


@pytest.mark.parametrize("content", [b"", b"c2hvcnQ=", b"\xff\xff"])
def test_a_broken_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "hs256.key").write_bytes(content)
    with pytest.raises(BadKey):
        load_key(tmp_path)


def test_issue_and_verify(tokens: Tokens) -> None:
    token = tokens.issue("alice", ttl_s=60, scopes=("job:submit",), name="Alice")
    principal = tokens.verify(token)
    assert (principal.user, principal.name) == ("alice", "Alice")
    assert principal.scopes == {"job:submit"}
    assert abs(principal.expires_at - time.time() - 60) < 3
    claims = jwt.decode(token, options={"verify_signature": False})
    assert {"exp", "iat", "sub", "iss", "aud", "jti"} <= claims.keys()


@pytest.mark.parametrize("user", ["", "a b", "../x", "x" * 200, "é", "-x"])
def test_refuses_user_ids_that_are_none(tokens: Tokens, user: str) -> None:
    with pytest.raises(InvalidInput):
        tokens.issue(user)


@pytest.mark.parametrize("claim", ["exp", "iat", "sub", "iss", "aud", "jti"])
def test_every_claim_is_required(tokens: Tokens, directory: Path, claim: str) -> None:
    assert tokens.verify(forge(directory)).user == "alice"
    with pytest.raises(Unauthenticated):
        tokens.verify(forge(directory, **{claim: None}))


def test_refuses(tokens: Tokens, directory: Path, tmp_path: Path) -> None:
    good = forge(directory)
    head, body, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    other = Tokens(load_key(tmp_path), load_settings())
    attacks = {
        "expired": forge(directory, exp=int(time.time()) - 1),
        "issuer": forge(directory, iss="evil"),
        "audience": forge(directory, aud="evil"),
        "subject": forge(directory, sub="../root"),
        "type": forge(directory, {"typ": "JWT"}),
        "ticket": tokens.issue_ticket(tokens.verify(good)),
        "none": f"{none}.{body}.",
        "none, signed": f"{none}.{body}.{signature}",
        "no signature": f"{head}.{body}.",
        "other key": other.issue("alice"),
        "hs512": jwt.encode(
            jwt.decode(good, options={"verify_signature": False}),
            load_key(directory).secret * 2,
            algorithm="HS512",
            headers={"typ": "at+jwt"},
        ),
        "jku": forge(tmp_path, {"jku": "http://127.0.0.1/keys", "kid": "../../dev/null"}),
        "empty": "",
        "text": "token",
        "dots": "..",
        "long": good + "A" * 10_000,
        "nested": base64.urlsafe_b64encode(json.dumps([[]] * 10).encode()).decode(),
    }
    for name, token in attacks.items():
        with pytest.raises(Unauthenticated):
            pytest.fail(f"{name} passed as {tokens.verify(token)}")


def test_the_three_kinds_of_failure_never_repeat_the_token(tokens: Tokens, directory: Path) -> None:
    token = forge(directory, iss="evil")
    with pytest.raises(Unauthenticated) as caught:
        tokens.verify(token)
    assert token not in str(caught.value)


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_no_changed_byte_passes(tokens: Tokens, directory: Path, at: int, byte: int) -> None:
    token = forge(directory)
    at %= len(token)
    changed = token[:at] + chr(byte) + token[at + 1 :]
    try:
        principal = tokens.verify(changed)
    except Unauthenticated:
        return
    # The last character of base64 has bits that mean nothing.
    assert principal == tokens.verify(token)


def test_a_ticket_is_for_sockets_only(tokens: Tokens, directory: Path) -> None:
    principal = tokens.verify(forge(directory))
    ticket = tokens.issue_ticket(principal)
    assert tokens.verify(ticket, type_=TICKET).user == "alice"
    with pytest.raises(Unauthenticated):
        tokens.verify(forge(directory), type_=TICKET)


def test_logs_lose_tokens(tokens: Tokens) -> None:
    token = tokens.issue("alice")
    for text in (token, f"GET /?ticket={token} HTTP/1.1", f"synq.bearer.{token}, x"):
        assert token not in redact(text)
        assert token.split(".")[2] not in redact(text)


def test_roles() -> None:
    assert [role for role in Role if permits(role, Permission.READ)] == list(Role)
    assert [r for r in Role if permits(r, Permission.WRITE)] == [Role.EDITOR, Role.OWNER]
    assert [r for r in Role if permits(r, Permission.DELETE)] == [Role.OWNER]
    assert not permits(None, Permission.READ)


@pytest.mark.parametrize(
    ("participant", "visibility", "public", "role"),
    [
        (None, "private", "editor", None),
        (None, "public", "editor", Role.EDITOR),
        ("viewer", "public", "editor", Role.VIEWER),
        ("owner", "private", "viewer", Role.OWNER),
    ],
)
def test_effective_role(
    participant: str | None, visibility: str, public: str, role: Role | None
) -> None:
    found = effective_role(participant=participant, visibility=visibility, public_role=public)
    assert found == role
