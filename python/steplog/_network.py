"""Ways to the server other than the upload's: one request, trusted certificates, proxies."""

from __future__ import annotations

import functools
import io
import json
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from steplog._errors import RefusedError, ServerError, UsageError, problem_text

if TYPE_CHECKING:
    import socket
    import ssl
    import urllib.request

    from typing_extensions import Buffer as WriteableBuffer


@dataclass(frozen=True)
class Answer:
    """A server's answer.

    Attributes:
        body: Its bytes.
        server: The server's id, empty where it is no steplog server.
    """

    body: bytes
    server: str

    def json(self) -> object:
        """What the body says, None where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


_MAX_ANSWER_BYTES = 64 << 20
"""More than a server says of a run with a hundred thousand keys."""
_MAX_REASON_BYTES = 1 << 16
_NOT_FOUND, _REDIRECTS = 404, 3
_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
"""What OpenSSL calls it where plain HTTP answers to TLS."""
_LEAST_SECS, _MOST_SECS = 0.001, 86_400.0
"""What a socket may be told to wait: 0 would mean not to wait, and more than 24 days it refuses."""


def ask(
    url: str,
    key: str,
    *,
    ca_file: str | os.PathLike[str],
    timeout_secs: float,
    accept: str = "application/json",
    body: bytes | None = None,
    method: str | None = None,
) -> Answer:
    """Send one request, by default POST where it has a body, and wait for the answer.

    Returns or raises within `timeout_secs`, however slowly names are resolved and bytes come.

    Raises:
        RefusedError: The server answers with a status that is no success.
        ServerError: It cannot be reached, does not answer in time, or answers without end.
        UsageError: `ca_file` cannot be read.
    """
    import queue  # noqa: PLC0415  # only for who asks

    headers = {"Authorization": f"Bearer {key}", "Accept": accept}
    if body is not None:
        headers["Content-Type"] = "application/json"
    context = tls(ca_file) if url.lower().startswith("https:") else None
    until = time.monotonic() + timeout_secs
    said: queue.SimpleQueue[Answer | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            said.put(_answer(_opener(context, until), url, body, headers=headers, method=method))
        except BaseException as error:  # noqa: BLE001  # raised where the answer is waited for
            said.put(error)

    # Nothing but a thread of its own bounds how long the system resolves a name.
    threading.Thread(target=work, name="steplog-ask", daemon=True).start()
    try:
        answer = said.get(timeout=max(0.0, min(timeout_secs, threading.TIMEOUT_MAX)))
    except queue.Empty:
        answer = TimeoutError()
    if isinstance(answer, TimeoutError):
        raise ServerError(
            f"the server cannot be reached: no answer within {timeout_secs:g} s: {url}"
        ) from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _answer(
    director: urllib.request.OpenerDirector,
    url: str,
    body: bytes | None,
    *,
    headers: dict[str, str],
    method: str | None,
) -> Answer:
    """The answer to one request.

    Raises:
        RefusedError: The server answers with a status that is no success.
        ServerError: It cannot be reached, or answers without end.
        TimeoutError: The time is over.
    """
    from http.client import HTTPException, IncompleteRead  # noqa: PLC0415  # 20 ms, for few
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import Request  # noqa: PLC0415

    request = Request(url, data=body, headers=headers, method=method)  # noqa: S310  # of a checked setting
    reason: object
    try:
        with director.open(request) as answer:
            data = bytes(answer.read(_MAX_ANSWER_BYTES + 1))
            if len(data) <= _MAX_ANSWER_BYTES and answer.length:
                raise IncompleteRead(data, answer.length)
            server = answer.headers.get("Steplog-Server", "")
    except HTTPError as error:
        with error:
            if is_foreign(error.code, error.headers.get("Steplog-Server")):
                raise ServerError(f"what answers there is no steplog server: {url}") from None
            reason = problem_text(error.read(_MAX_REASON_BYTES)) or f"{error.code} {error.reason}"
        raise RefusedError(f"the server refused: {reason}: {url}", status=error.code) from None
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise error.reason from None
        why = reason_of(error.reason)
        raise ServerError(f"the server cannot be reached: {why}: {url}") from None
    except TimeoutError:
        raise
    except (OSError, HTTPException, UnicodeError) as error:
        raise ServerError(f"the server cannot be reached: {error}: {url}") from None
    if len(data) > _MAX_ANSWER_BYTES:
        raise ServerError(
            f"the server cannot be understood: it answers more than {_MAX_ANSWER_BYTES >> 20} MiB: "
            f"{url}"
        )
    return Answer(data, server)


def is_foreign(status: int, server: str | None) -> bool:
    """Whether an answer is none of a steplog server: with each of its comes the server's id."""
    return not server and (status == _NOT_FOUND or status // 100 == _REDIRECTS)


def reason_of(error: object, words: str | None = None) -> str:
    """Why a server cannot be reached: what the system says, or its `words` for it."""
    if getattr(error, "reason", None) in _NO_TLS:
        return "the server does not speak TLS there: is it http:// ?"
    return words or str(error)


class _Timed(io.RawIOBase):
    """What a socket receives until a time of `time.monotonic`, however little comes at once."""

    def __init__(self, connected: socket.socket, until: float) -> None:
        self._socket = connected
        self._until = until
        # Keeps the socket open while this is, as `HTTPResponse` expects.
        self._raw = connected.makefile("rb", buffering=0)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What `HTTPResponse` asks of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        self._socket.settimeout(_left(self._until))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _left(until: float) -> float:
    """Seconds that a socket may wait.

    Raises:
        TimeoutError: The time is over.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(max(left, _LEAST_SECS), _MOST_SECS)


def _opener(context: ssl.SSLContext | None, until: float) -> urllib.request.OpenerDirector:
    """One that follows no redirect: a key is for its server alone."""
    import http.client  # noqa: PLC0415  # slow to import, as the next
    import urllib.request  # noqa: PLC0415

    def connection(kind: Any, *given: Any, **options: Any) -> Any:  # noqa: ANN401  # its own
        made = kind(*given, **{**options, "timeout": _left(until)})
        made.response_class = lambda connected, *rest, **more: http.client.HTTPResponse(
            cast("socket.socket", _Timed(connected, until)), *rest, **more
        )
        return made

    class Http(urllib.request.HTTPHandler):
        def do_open(self, http_class: Any, *given: Any, **options: Any) -> Any:  # noqa: ANN401
            return super().do_open(functools.partial(connection, http_class), *given, **options)

    class Https(urllib.request.HTTPSHandler):
        def do_open(self, http_class: Any, *given: Any, **options: Any) -> Any:  # noqa: ANN401
            return super().do_open(functools.partial(connection, http_class), *given, **options)

    director = urllib.request.OpenerDirector()
    director.add_handler(urllib.request.ProxyHandler(_proxies()))
    director.add_handler(Http())
    if context is not None:
        director.add_handler(Https(context=context))
    director.add_handler(urllib.request.HTTPDefaultErrorHandler())
    director.add_handler(urllib.request.HTTPErrorProcessor())
    return director


def tls(ca_file: str | os.PathLike[str]) -> ssl.SSLContext:
    """Trust the system's certificates, and those in `ca_file` (PEM) if one is given.

    Raises:
        UsageError: The file cannot be read.
    """
    import ssl  # noqa: PLC0415  # slow to import, and only for a server with TLS

    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # an SSLError is one
            reason = error.strerror or error
            raise UsageError(f"ca_file cannot be used: {reason}: {os.fspath(ca_file)}") from error
    return context


def _proxies() -> dict[str, str]:
    """The environment's proxies by scheme, `ALL_PROXY` where there is none of its own."""
    import urllib.request  # noqa: PLC0415  # slow to import

    found = {
        # As curl takes it, and the upload.
        scheme: proxy if "://" in proxy or scheme == "no" else f"http://{proxy}"
        for scheme, proxy in urllib.request.getproxies().items()
    }
    return {**dict.fromkeys(("http", "https"), found["all"]), **found} if "all" in found else found


def proxy_of(url: str) -> str | None:
    """The proxy that the environment (`HTTPS_PROXY`, `NO_PROXY`, …) names for an address."""
    import urllib.request  # noqa: PLC0415  # slow to import

    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return _proxies().get(parts.scheme)
