"""Tells another program of alerts: one POST each, tried again for a while."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from steplog._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)

_PAUSES_SECS = (1.0, 5.0, 30.0)
"""Between one try and the next; behind the last it is given up."""
_TRY_SECS = 10.0
_MAX_WAITING = 1_000
_SUCCESS = range(200, 300)


class Webhook:
    """POSTs JSON to one address, in the order in which it is told; follows no redirect.

    Args:
        url: The address.
        allows_http: Whether it may be reached without TLS where it is not on this machine.
        pauses_secs: Between one try and the next.

    Raises:
        UsageError: The address is none, or not safe.
    """

    def __init__(
        self, url: str, *, allows_http: bool = False, pauses_secs: Sequence[float] = _PAUSES_SECS
    ) -> None:
        _check(url, allows_http=allows_http)
        self._url = url
        self._pauses_secs = pauses_secs
        self._waiting: asyncio.Queue[dict[str, object]] = asyncio.Queue(_MAX_WAITING)

    def tell(self, message: dict[str, object]) -> None:
        """Have a message sent; when too many wait, it is dropped, and the log says so."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            _log.warning("the webhook is too slow: the alert %r is not sent", message.get("title"))

    async def run(self) -> None:
        """Send what is told, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=_TRY_SECS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                message = await self._waiting.get()
                reason = await self._send(session, message)
                if reason:
                    title = message.get("title")
                    _log.warning("the alert %r was not taken by the webhook: %s", title, reason)

    async def _send(self, session: aiohttp.ClientSession, message: dict[str, object]) -> str:
        """Why it was not taken, or nothing."""
        reason = ""
        for pause_secs in (*self._pauses_secs, None):
            try:
                async with session.post(self._url, json=message, allow_redirects=False) as answer:
                    if answer.status in _SUCCESS:
                        return ""
                    reason = f"HTTP {answer.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = str(error) or type(error).__name__
            if pause_secs is not None:
                await asyncio.sleep(pause_secs)
        return reason


def _check(url: str, *, allows_http: bool) -> None:
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"the webhook {url!r} has no port that can be: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"the webhook must begin with https:// and name a host, got {url!r}")
    if parts.scheme == "http" and not allows_http and not _is_here(parts.hostname):
        raise UsageError(
            f"the webhook {url!r} would be told without TLS: use https, or --webhook-allow-http"
        )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
