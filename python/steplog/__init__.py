"""steplog: async-native experiment logging. The public names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog._api import (
    afinish,
    alog,
    current_run,
    define_metric,
    find_current,
    finish,
    init,
    log,
    mark_preempting,
)
from steplog._errors import (
    ArgumentTypeError,
    ConfigError,
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
    from steplog._hparams import Config
    from steplog._summary import Summary
    from steplog.client import Api, AsyncApi

    run: Run | None
    config: Config
    summary: Summary

__all__ = [
    "Api",
    "ArgumentTypeError",
    "AsyncApi",
    "ConfigError",
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
    "config",
    "define_metric",
    "finish",
    "init",
    "log",
    "mark_preempting",
    "run",
    "summary",
]


_NOT_YET = {
    "Artifact",
    "Audio",
    "Classes",
    "Graph",
    "Histogram",
    "Html",
    "Image",
    "JoinedTable",
    "Molecule",
    "Object3D",
    "Plotly",
    "Table",
    "Video",
    "agent",
    "alert",
    "controller",
    "link_artifact",
    "link_model",
    "log_artifact",
    "log_code",
    "log_model",
    "login",
    "plot",
    "restore",
    "save",
    "setup",
    "sweep",
    "teardown",
    "unwatch",
    "use_artifact",
    "use_model",
    "watch",
}


def __getattr__(name: str) -> object:
    """What is not a plain name: the current run's parts, and the read side, loaded when used."""
    if name == "run":
        return find_current()
    if name in {"config", "summary"}:
        return getattr(current_run(), name)
    if name in {"Api", "AsyncApi"}:
        from steplog import client  # noqa: PLC0415  # a logging program does not pay for it

        found: object = getattr(client, name)
        return found
    if name in _NOT_YET:
        # Not AttributeError: `from steplog import Image` would hide the reason.
        raise UsageError(f"steplog.{name} is not there yet; see the changelog")
    raise AttributeError(f"module 'steplog' has no attribute {name!r}")
