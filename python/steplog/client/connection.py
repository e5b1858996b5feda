"""HTTP of the read side: where the server is, the key, and errors in words."""

from __future__ import annotations

import asyncio  # noqa: TID251  # aiohttp runs on nothing else
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
import anyio
import anyio.to_thread
from yarl import URL

from steplog import _keys, _network, _settings
from steplog._errors import (
    NotFoundError,
    RefusedError,
    ServerError,
    UsageError,
    problem_text,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from steplog._settings import Settings

MSGPACK = "application/msgpack"
OCTETS = "application/octet-stream"

_CONNECTIONS = 8
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)
"""A page may take the server long; a connection silent for two minutes is dead."""
_GOOD = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT}
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_PAUSES_SECS = (0.2, 0.5, 1.0, 2.0)
_MAX_PAUSE_SECS = 10.0
_PIECE_BYTES = 1 << 20


class Body:
    """An answer's body that is read piece by piece."""

    def __init__(self, answer: aiohttp.ClientResponse, url: str) -> None:
        self._answer = answer
        self._url = url

    @property
    def etag(self) -> str:
        """What its ETag names; empty where it has none."""
        return self._answer.headers.get("ETag", "").removeprefix("W/").strip('"')

    async def pieces(self) -> AsyncIterator[bytes]:
        """All of it, in pieces of a MiB or more.

        Raises:
            ServerError: It ended early.
        """
        piece = bytearray()
        try:
            async for chunk in self._answer.content.iter_any():
                piece += chunk
                if len(piece) >= _PIECE_BYTES:
                    yield bytes(piece)
                    piece.clear()
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error, self._url) from error
        if piece:
            yield bytes(piece)


class Connection:
    """One HTTP session, opened by the first request.

    Args:
        base_url: The server; STEPLOG_BASE_URL by default.
        api_key: Its key; STEPLOG_API_KEY or the key file by default.
        settings: What is in force, where that is more than the environment says.

    Attributes:
        settings: What is in force.

    Raises:
        UsageError: The address is no HTTP address.
    """

    def __init__(
        self, base_url: str | None, api_key: str | None, *, settings: Settings | None = None
    ) -> None:
        settings = _settings.resolve(settings, base_url=base_url, api_key=api_key)
        self.settings = settings
        self.base_url = settings.base_url.rstrip("/")
        self.entity = settings.entity
        self._key = settings.api_key
        self._ca_file = settings.ca_file
        self._proxy: str | None = None
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def url_of(self, path: str) -> str:
        """The address of a path of the API."""
        return f"{self.base_url}/api/v1{path}"

    async def ask(
        self,
        path: str,
        *,
        body: dict[str, object] | bytes | None = None,
        accept: str = "application/json",
        kind: str = MSGPACK,
        method: str | None = None,
    ) -> tuple[bytes, str | None]:
        """Send a request: by default POST with a body, else GET.

        A body of bytes is of the type `kind`; msgpack says more than JSON does.

        Returns:
            The answer's body, and the cursor of its next page.

        A server that is busy (429, 503) is asked again, with pauses of some seconds in all.

        Raises:
            ServerError: The server refused, stayed busy or could not be reached.
            UsageError: There is no key, or the connection is closed.
        """
        url = self.url_of(path)
        method = method or ("GET" if body is None else "POST")
        types = {"Accept": accept} | ({"Content-Type": kind} if isinstance(body, bytes) else {})
        answer, data = await self._send(method, url, body=body, types=types)
        for pause_secs in _PAUSES_SECS:
            if answer.status not in _BUSY:
                break
            await anyio.sleep(_retry_after(answer.headers) or pause_secs)
            answer, data = await self._send(method, url, body=body, types=types)
        if _network.is_foreign(answer.status, answer.headers.get("Steplog-Server")):
            raise ServerError(f"what answers there is no steplog server: {url}")
        if answer.status not in _GOOD:
            raise _refused(answer, data, url)
        return data, answer.headers.get("Steplog-Cursor")

    @asynccontextmanager
    async def open(self, path: str, *, start: int = 0) -> AsyncIterator[Body]:
        """The body of what is at a path, from a byte on; a busy server is asked again.

        Raises:
            ServerError: The server refused, stayed busy or could not be reached.
            UsageError: There is no key, or the connection is closed.
        """
        url = f"{self.base_url}/api/v1{path}"
        answer = await self._begin(url, start)
        for pause_secs in _PAUSES_SECS:
            if answer.status not in _BUSY:
                break
            answer.release()
            await anyio.sleep(_retry_after(answer.headers) or pause_secs)
            answer = await self._begin(url, start)
        async with answer:
            wanted = HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK
            if answer.status != wanted:
                raise _refused(answer, await answer.read(), url)
            yield Body(answer, url)

    async def _begin(self, url: str, start: int) -> aiohttp.ClientResponse:
        session = await self._open()
        headers = {"Authorization": f"Bearer {self._key}", "Accept": OCTETS}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            return await session.get(
                URL(url, encoded=True), headers=headers, allow_redirects=False, proxy=self._proxy
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error, url) from error

    async def _send(
        self,
        method: str,
        url: str,
        *,
        body: dict[str, object] | bytes | None,
        types: Mapping[str, str],
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        session = await self._open()
        headers = {"Authorization": f"Bearer {self._key}", **types}
        packed = body if isinstance(body, bytes) else None
        try:
            # No redirects: the key is for this server alone.
            async with session.request(
                method,
                URL(url, encoded=True),
                json=None if packed is not None else body,
                data=packed,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
            ) as answer:
                return answer, await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error, url) from error

    async def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise UsageError("the connection is closed")
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError("AsyncApi runs on asyncio; on trio, use Api in a thread") from None
        if self._key is None:
            self._key = await anyio.to_thread.run_sync(_keys.key_from_file, self.base_url)
        if self._session is None:
            secure = self.base_url.lower().startswith("https:")
            tls = await anyio.to_thread.run_sync(_network.tls, self._ca_file) if secure else True
            self._proxy = _network.proxy_of(self.base_url)
            connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=tls)
            self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT)
        return self._session

    async def aclose(self) -> None:
        """Close the session; a second call does nothing."""
        self._closed = True
        if self._session is not None:
            await self._session.close()


def _refused(answer: aiohttp.ClientResponse, data: bytes, url: str) -> RefusedError:
    reason = problem_text(data) or f"{answer.status} {answer.reason}"
    kind = NotFoundError if answer.status == HTTPStatus.NOT_FOUND else RefusedError
    return kind(f"the server refused: {reason}: {url}", status=answer.status)


def _unreachable(error: Exception, url: str) -> ServerError:
    return ServerError(f"the server cannot be reached: {_reason(error)}: {url}")


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        # Its own text speaks of TLS also where there is none.
        why = _network.reason_of(error.os_error, error.strerror)
        return f"cannot connect to {error.host}:{error.port}: {why}"
    # A timeout of aiohttp is an OSError too, and has no text.
    return str(error) or type(error).__name__


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The pause that a busy server asks for, at most `_MAX_PAUSE_SECS`."""
    asked = headers.get("Retry-After", "")
    return min(float(asked), _MAX_PAUSE_SECS) if asked.isdecimal() else None
