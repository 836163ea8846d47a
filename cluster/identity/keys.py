"""The signing key: made on first start, readable by its owner alone."""

from __future__ import annotations

import hashlib
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path

from cluster.errors import SynqError

# RFC 7518 §3.2: an HS256 key has at least the hash's size.
KEY_BYTES = 32


class BadKey(SynqError):
    """The key file exists but holds no usable key."""

    code = "bad_key"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret bound to the one algorithm it may be used with."""

    secret: bytes = field(repr=False)
    algorithm: str = "HS256"

    @property
    def kid(self) -> str:
        """Return the RFC 7638 thumbprint: names the key without telling it."""
        k = urlsafe_b64encode(self.secret).rstrip(b"=").decode()
        digest = hashlib.sha256(f'{{"k":"{k}","kty":"oct"}}'.encode()).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


def load_key(data_dir: Path) -> SigningKey:
    """Read this SynQ's signing key, making it first where there is none.

    Several processes may start at once: the key appears whole under its name or not at all, and
    whoever comes second takes what the first one made.

    Raises:
        BadKey: the file is not what this function writes.
    """
    path = data_dir / "keys" / "hs256.key"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike rename, fails where another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    try:
        secret = urlsafe_b64decode(path.read_bytes().strip())
    except ValueError as error:
        raise BadKey(f"{path}: expected {KEY_BYTES} bytes in base64url") from error
    if len(secret) < KEY_BYTES:
        raise BadKey(f"{path}: expected at least {KEY_BYTES} bytes, found {len(secret)}")
    return SigningKey(secret)
