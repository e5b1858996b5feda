"""Who may talk to the server: the owner's key, one-time login links, the browser's cookie."""

from __future__ import annotations

import errno
import hashlib
import re
import secrets
import string
import time
from base64 import b64decode
from typing import TYPE_CHECKING

import sqlalchemy as sa

from steplog._errors import StorageError
from steplog._keys import add_keys, write_private
from steplog.server.schema import Code, Problem
from steplog.server.store.tables import API_KEYS, TOKENS

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from steplog.server.store.meta import MetaStore

OWNER = "owner"
LOGIN_SECS = 600
SESSION_SECS = 30 * 24 * 3600
_LETTERS = string.ascii_letters + string.digits
_KEY_LENGTH = 48
_KEY = re.compile(r"[A-Za-z0-9_]{40,}")
"""What can be a key: 40 characters of these are more than anybody can guess."""


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class Auth:
    """Keys, login tokens and sessions; only their hashes are in the database.

    Args:
        meta: Where they are kept.
        key_file: The owner's key, created at the first start with mode 0600.
        cookie: Name of the browser's cookie.
    """

    def __init__(self, meta: MetaStore, *, key_file: Path, cookie: str) -> None:
        self._meta = meta
        self._key_file = key_file
        self.cookie = cookie
        self._key = ""

    async def start(self) -> None:
        """Read or create the owner's key.

        Raises:
            StorageError: The key file cannot be read or written, or holds no key.
        """
        try:
            if self._key_file.exists():
                self._key = self._key_file.read_text("utf-8", "replace").strip()
            else:
                self._key = "".join(secrets.choice(_LETTERS) for _ in range(_KEY_LENGTH))
                write_private(self._key_file, self._key + "\n")
        except OSError as error:
            raise StorageError(
                error.errno or 0, f"cannot use the key file: {error.strerror}", str(self._key_file)
            ) from error
        if not _KEY.fullmatch(self._key):
            raise StorageError(
                errno.EINVAL,
                "the key file holds no key (40 or more of A-Z a-z 0-9 _); remove it, and the next "
                f"start makes a new one: {self._key_file}",
            )
        row: dict[str, object] = {
            "hash": _hash(self._key),
            "user": OWNER,
            "created": time.time_ns(),
        }
        async with self._meta.write() as connection:
            await self._meta.upsert(connection, API_KEYS, [row])
            await connection.execute(sa.delete(TOKENS).where(TOKENS.c.expires < time.time_ns()))

    def publish(self, keys_file: Path, base_urls: list[str]) -> None:
        """Write the owner's key where the SDK of the same user finds it, mode 0600.

        Raises:
            StorageError: The file cannot be written.
        """
        try:
            add_keys(keys_file, dict.fromkeys(base_urls, self._key))
        except OSError as error:
            raise StorageError(
                error.errno or 0, f"cannot write the key file: {error.strerror}", str(keys_file)
            ) from error

    async def user(self, request: web.Request) -> str:
        """Who sent a request.

        Raises:
            Problem: Nobody whom we know, or another site through the user's browser.
        """
        key = _sent_key(request.headers.get("Authorization", ""))
        if key is not None:
            query = sa.select(API_KEYS.c.user).where(API_KEYS.c.hash == _hash(key))
        else:
            self._check_origin(request)
            query = sa.select(TOKENS.c.user).where(
                TOKENS.c.hash == _hash(request.cookies.get(self.cookie, "")),
                TOKENS.c.kind == "session",
                TOKENS.c.expires > time.time_ns(),
            )
        user = None
        if key is None or _KEY.fullmatch(key):  # anything else is nobody's, whatever is stored
            async with self._meta.read() as connection:
                user = await connection.scalar(query)
        if user is None:
            raise Problem(
                Code.UNAUTHENTICATED,
                "send `Authorization: Bearer KEY`, or open a link of `steplog login-link`"
                if key is None
                else "this server does not know the key that was sent",
                headers={"WWW-Authenticate": 'Bearer realm="steplog"'},
            )
        return str(user)

    def _check_origin(self, request: web.Request) -> None:
        origin = request.headers.get("Origin")
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if origin is None or (request.method in {"GET", "HEAD"} and not upgrade):
            return
        if origin.split("://", 1)[-1] != request.host:
            raise Problem(Code.FORBIDDEN_ORIGIN, f"the origin {origin} is not this server's")

    async def login_token(self) -> str:
        """A token that logs a browser in once, within `LOGIN_SECS`."""
        return await self._token("login", LOGIN_SECS)

    async def _token(self, kind: str, lifetime_secs: int) -> str:
        token = secrets.token_urlsafe(32)
        expires = time.time_ns() + lifetime_secs * 10**9
        async with self._meta.write() as connection:
            await connection.execute(
                sa.insert(TOKENS).values(hash=_hash(token), kind=kind, user=OWNER, expires=expires)
            )
        return token

    async def redeem(self, token: str) -> str | None:
        """The session that a login token becomes, once; None when it is used up or expired."""
        async with self._meta.write() as connection:
            taken = await connection.execute(
                sa.delete(TOKENS).where(
                    TOKENS.c.hash == _hash(token),
                    TOKENS.c.kind == "login",
                    TOKENS.c.expires > time.time_ns(),
                )
            )
        return await self._token("session", SESSION_SECS) if taken.rowcount else None

    async def end(self, request: web.Request) -> None:
        """End the session of a request's cookie."""
        async with self._meta.write() as connection:
            await connection.execute(
                sa.delete(TOKENS).where(
                    TOKENS.c.hash == _hash(request.cookies.get(self.cookie, ""))
                )
            )


def _sent_key(header: str) -> str | None:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":  # as W&B's clients send it: user `api`
        try:
            user, _, key = b64decode(rest, validate=True).decode().partition(":")
        except ValueError:
            return ""
        return key if user == "api" else ""
    return None
