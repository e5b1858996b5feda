"""steplog: async-native experiment logging. The public names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog._api import afinish, alog, finish, init, log
from steplog._errors import (
    ArgumentTypeError,
    CorruptLogError,
    InternalError,
    RunClosedError,
    ServerError,
    SteplogError,
    StorageError,
    UsageError,
)
from steplog._errors import SteplogError as Error
from steplog._run import Run
from steplog._settings import Settings
from steplog._writer import __version__

if TYPE_CHECKING:
    from steplog.client import Api, AsyncApi

__all__ = [
    "Api",
    "ArgumentTypeError",
    "AsyncApi",
    "CorruptLogError",
    "Error",
    "InternalError",
    "Run",
    "RunClosedError",
    "ServerError",
    "Settings",
    "SteplogError",
    "StorageError",
    "UsageError",
    "__version__",
    "afinish",
    "alog",
    "finish",
    "init",
    "log",
]


def __getattr__(name: str) -> object:
    """The read side, which brings aiohttp, is loaded when it is first used."""
    if name in {"Api", "AsyncApi"}:
        from steplog import client  # noqa: PLC0415  # a logging program does not pay for it

        found: object = getattr(client, name)
        return found
    raise AttributeError(f"module 'steplog' has no attribute {name!r}")
