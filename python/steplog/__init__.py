"""steplog: async-native experiment logging. The public names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import steplog._interpreter  # noqa: F401  # first: it refuses what the rest cannot work in
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
    setup,
    teardown,
)
from steplog._errors import (
    ArgumentTypeError,
    ConfigError,
    CorruptLogError,
    InternalError,
    NotFoundError,
    RunClosedError,
    ServerError,
    SteplogError,
    StorageError,
    UsageError,
)
from steplog._errors import ServerError as CommError
from steplog._errors import SteplogError as Error
from steplog._login import login
from steplog._reference import refuse
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
    "CommError",
    "ConfigError",
    "CorruptLogError",
    "Error",
    "InternalError",
    "NotFoundError",
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
    "login",
    "mark_preempting",
    "run",
    "setup",
    "summary",
    "teardown",
]


_NOT_YET = {
    *("AlertLevel", "Artifact", "ArtifactTTL", "Audio", "AuthenticationError", "Box3D", "Classes"),
    *("EvalTable", "Graph", "Histogram", "Html", "Image", "JoinedTable", "Molecule", "Object3D"),
    *("PartitionedTable", "Plotly", "Table", "UnsupportedError", "Video", "WandbCallback", "agent"),
    *("agents", "alert", "analytics", "api", "apis", "attach", "box3d", "catboost", "controller"),
    *("data_types", "ensure_configured", "env", "errors", "gym", "helper", "integration", "join"),
    *("jupyter", "keras", "lightgbm", "link_artifact", "link_model", "log_artifact", "log_code"),
    *("log_model", "patched", "pin_config_keys", "plot", "plot_table", "profiler", "proto"),
    *("require", "restore", "sacred", "sagemaker_auth", "save", "sdk", "sklearn", "sweep", "sync"),
    *("tensorboard", "tensorflow", "termerror", "termlog", "termsetup", "termwarn", "trigger"),
    *("unwatch", "use_artifact", "use_model", "util", "visualize", "wandb", "wandb_agent"),
    *("wandb_lib", "wandb_sdk", "wandb_torch", "watch", "xgboost"),
}


def __getattr__(name: str) -> object:
    """What is not a plain name: the current run's parts, and the read side, loaded when used."""
    if name == "run":
        return find_current()
    if name in {"config", "summary"}:
        return getattr(current_run(), name)
    if name == "Config":
        from steplog._hparams import Config  # noqa: PLC0415  # for annotations and isinstance

        return Config
    if name in {"Api", "AsyncApi"}:
        from steplog import client  # noqa: PLC0415  # a logging program does not pay for it

        found: object = getattr(client, name)
        return found
    if name in _NOT_YET:
        refuse(f"steplog.{name}")
    raise AttributeError(f"module 'steplog' has no attribute {name!r}")
