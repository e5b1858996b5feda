"""The read side: runs, configs, summaries and whole histories from a server."""

from __future__ import annotations

from steplog.client.api import Api, Run
from steplog.client.async_api import AsyncApi, AsyncRun

__all__ = ["Api", "AsyncApi", "AsyncRun", "Run"]
