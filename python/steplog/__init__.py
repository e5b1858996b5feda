"""steplog: async-native experiment logging. The public names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import steplog._interpreter  # noqa: F401  # first: it refuses what the rest cannot work in
from steplog._errors import (
    ArgumentTypeError,
    ArtifactFinalizedError,
    ArtifactNotLoggedError,
    ConfigError,
    CorruptLogError,
    InternalError,
    NotFoundError,
    RunClosedError,
    ServerError,
    SteplogError,
    StorageError,
    UsageError,
    WaitTimeoutError,
)
from steplog._errors import ServerError as CommError
from steplog._errors import SteplogError as Error
from steplog._settings import Settings
from steplog._writer import __version__

if TYPE_CHECKING:
    from steplog import data_types
    from steplog._alerts import AlertLevel
    from steplog._api import (
        afinish,
        alert,
        alog,
        alog_artifact,
        ause_artifact,
        define_metric,
        finish,
        init,
        link_artifact,
        link_model,
        log,
        log_artifact,
        log_code,
        log_model,
        mark_preempting,
        restore,
        save,
        setup,
        teardown,
        unwatch,
        use_artifact,
        use_model,
        watch,
    )
    from steplog._hparams import Config
    from steplog._login import login
    from steplog._run import Run
    from steplog._summary import Summary
    from steplog.artifacts import Artifact
    from steplog.client import Api, AsyncApi
    from steplog.data import (
        Audio,
        Bokeh,
        Classes,
        Graph,
        Histogram,
        Html,
        Image,
        JoinedTable,
        Molecule,
        Object3D,
        Plotly,
        Table,
        Video,
        box3d,
        histograms,
    )
    from steplog.plot import plot_table, visualize

    run: Run | None
    config: Config
    summary: Summary

__all__ = [
    "AlertLevel",
    "Api",
    "ArgumentTypeError",
    "Artifact",
    "ArtifactFinalizedError",
    "ArtifactNotLoggedError",
    "AsyncApi",
    "Audio",
    "Bokeh",
    "Classes",
    "CommError",
    "ConfigError",
    "CorruptLogError",
    "Error",
    "Graph",
    "Histogram",
    "Html",
    "Image",
    "InternalError",
    "JoinedTable",
    "Molecule",
    "NotFoundError",
    "Object3D",
    "Plotly",
    "Run",
    "RunClosedError",
    "ServerError",
    "Settings",
    "SteplogError",
    "StorageError",
    "Table",
    "UsageError",
    "Video",
    "WaitTimeoutError",
    "__version__",
    "afinish",
    "alert",
    "alog",
    "alog_artifact",
    "ause_artifact",
    "box3d",
    "config",
    "data_types",
    "define_metric",
    "finish",
    "histograms",
    "init",
    "link_artifact",
    "link_model",
    "log",
    "log_artifact",
    "log_code",
    "log_model",
    "login",
    "mark_preempting",
    "plot",
    "plot_table",
    "restore",
    "run",
    "save",
    "setup",
    "summary",
    "teardown",
    "unwatch",
    "use_artifact",
    "use_model",
    "visualize",
    "watch",
]


_NOT_YET = {
    *("ArtifactTTL", "AuthenticationError", "Box3D"),
    *("EvalTable", "UnsupportedError", "WandbCallback", "agent"),
    *("agents", "analytics", "api", "apis", "attach", "catboost", "controller"),
    *("ensure_configured", "env", "errors", "gym", "helper", "integration", "join"),
    *("jupyter", "keras", "lightgbm", "patched", "pin_config_keys", "profiler", "proto"),
    *("require", "sacred", "sagemaker_auth", "sdk", "sklearn", "sweep", "sync"),
    *("tensorboard", "tensorflow", "termerror", "termlog", "termsetup", "termwarn", "trigger"),
    *("util", "wandb", "wandb_agent"),
    *("wandb_lib", "wandb_sdk", "wandb_torch", "xgboost"),
}


# Names that are loaded when they are used: a program pays for what it uses, and when it does.
_LATER = {
    **dict.fromkeys(("afinish", "alert", "alog", "define_metric", "finish", "init", "log"), "_api"),
    **dict.fromkeys(
        ("log_code", "mark_preempting", "restore", "save", "setup", "teardown", "unwatch", "watch"),
        "_api",
    ),
    **dict.fromkeys(("alog_artifact", "ause_artifact", "link_artifact", "link_model"), "_api"),
    **dict.fromkeys(("log_artifact", "log_model", "use_artifact", "use_model"), "_api"),
    **dict.fromkeys(("Api", "AsyncApi"), "client"),
    "Artifact": "artifacts",
    "AlertLevel": "_alerts",
    "Config": "_hparams",
    **dict.fromkeys(
        ("Audio", "Bokeh", "Classes", "Graph", "Histogram", "Html", "Image", "histograms"), "data"
    ),
    **dict.fromkeys(("JoinedTable", "Molecule", "Object3D", "Plotly", "Table"), "data"),
    **dict.fromkeys(("Video", "box3d"), "data"),
    **dict.fromkeys(("plot_table", "visualize"), "plot"),
    "Run": "_run",
    "login": "_login",
}


def __getattr__(name: str) -> object:
    """What is not a plain name yet, and the current run's parts."""
    if name in _LATER:
        found: object = getattr(import_module(f"steplog.{_LATER[name]}"), name)
        globals()[name] = found  # from now on it is one
        return found
    if name in {
        "artifacts",
        "data_types",
        "plot",
    }:  # `import steplog as wandb; wandb.data_types.Image`
        return import_module(f"steplog.{name}")
    if name in {"run", "config", "summary"}:
        from steplog import _api  # noqa: PLC0415  # as `_LATER`

        return _api.find_current() if name == "run" else getattr(_api.current_run(), name)
    if name in _NOT_YET:
        from steplog._reference import refuse  # noqa: PLC0415  # for few

        refuse(f"steplog.{name}")
    raise AttributeError(f"module 'steplog' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
