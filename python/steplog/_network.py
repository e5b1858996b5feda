"""How the reading side reaches the server: trusted certificates and proxies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from steplog._errors import UsageError

if TYPE_CHECKING:
    import ssl
    import urllib.request


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


def opener(url: str, ca_file: str | os.PathLike[str]) -> urllib.request.OpenerDirector:
    """Opens addresses of a server, and follows no redirect: a key is for this server alone.

    Raises:
        UsageError: `ca_file` cannot be read.
    """
    import urllib.request  # noqa: PLC0415  # slow to import

    director = urllib.request.OpenerDirector()
    director.add_handler(urllib.request.ProxyHandler())
    director.add_handler(urllib.request.HTTPHandler())
    if url.startswith("https:"):
        director.add_handler(urllib.request.HTTPSHandler(context=tls(ca_file)))
    director.add_handler(urllib.request.HTTPDefaultErrorHandler())
    director.add_handler(urllib.request.HTTPErrorProcessor())
    return director


def proxy_of(url: str) -> str | None:
    """The proxy that the environment (`HTTPS_PROXY`, `NO_PROXY`, …) names for an address."""
    import urllib.request  # noqa: PLC0415  # slow to import

    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
