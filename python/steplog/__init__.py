"""steplog: async-native experiment logging. The public names."""

from __future__ import annotations

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

__all__ = [
    "ArgumentTypeError",
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
