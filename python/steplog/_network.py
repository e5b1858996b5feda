"""Ways to the server other than the upload's: one request, trusted certificates, proxies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from steplog._errors import RefusedError, ServerError, UsageError, problem_text

if TYPE_CHECKING:
    import ssl
    import urllib.request


def ask(
    url: str,
    key: str,
    *,
    ca_file: str | os.PathLike[str],
    timeout_secs: float,
    accept: str = "application/json",
    body: bytes | None = None,
) -> bytes:
    """Send one request, POST where it has a body, and wait for the answer.

    Raises:
        RefusedError: The server answers with another status than 200.
        ServerError: It cannot be reached.
        UsageError: `ca_file` cannot be read.
    """
    from http.client import HTTPException  # noqa: PLC0415  # 20 ms that few programs pay for
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import Request  # noqa: PLC0415

    headers = {"Authorization": f"Bearer {key}", "Accept": accept}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = Request(url, data=body, headers=headers)  # noqa: S310  # checked above
    director = _opener(tls(ca_file) if url.lower().startswith("https:") else None)
    try:
        with director.open(request, timeout=timeout_secs) as answer:
            return bytes(answer.read())
    except HTTPError as error:
        with error:
            reason = problem_text(error.read()) or f"{error.code} {error.reason}"
        raise RefusedError(f"the server refused: {reason}: {url}", status=error.code) from None
    except URLError as error:
        raise ServerError(f"the server cannot be reached: {error.reason}: {url}") from None
    except (OSError, HTTPException) as error:
        raise ServerError(f"the server cannot be reached: {error}: {url}") from None


def _opener(context: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    """One that follows no redirect: a key is for its server alone."""
    import urllib.request  # noqa: PLC0415

    director = urllib.request.OpenerDirector()
    director.add_handler(urllib.request.ProxyHandler())
    director.add_handler(urllib.request.HTTPHandler())
    if context is not None:
        director.add_handler(urllib.request.HTTPSHandler(context=context))
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


def proxy_of(url: str) -> str | None:
    """The proxy that the environment (`HTTPS_PROXY`, `NO_PROXY`, …) names for an address."""
    import urllib.request  # noqa: PLC0415  # slow to import

    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
