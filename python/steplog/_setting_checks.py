"""What each setting may be."""

from __future__ import annotations

import os
import re
from typing import Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog._names import CONTROL, as_name, as_tags, as_text, check_run_id

__all__ = ["KINDS", "check", "check_name"]

KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("text", (str,)),
    "str | None": ("text", (str, type(None))),
    "str | os.PathLike[str]": ("a path", (str, os.PathLike)),
    "tuple[str, ...]": ("texts", (tuple,)),
    "Mode": ("text", (str,)),
    "LateSteps": ("text", (str,)),
    "StorageErrors": ("text", (str,)),
    "ConsoleWay": ("text", (str,)),
    "int": ("a whole number", (int,)),
    "bool": ("true or false", (bool,)),
    "float": ("a number", (int, float)),
}
_CHOICES = {
    "mode": ("online", "offline", "disabled"),
    "late_steps": ("refuse", "merge"),
    "storage_errors": ("warn", "raise"),
    "console": ("auto", "wrap", "redirect", "off"),
    "resume": ("allow", "must", "never", "auto", ""),
}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:/?#\s]+)(:(?P<port>[0-9]{1,5})?)?")
_MAX_PORT = 65_535
_MAX_SECS = 1_000_000_000
_LEAST_SECS = {"stats_interval_secs": 0.1}
_NO_LIMIT = {"artifact_cache_bytes", "max_unsent_bytes"}
"""Those that may be 0."""
_BYTES = {
    "batch_bytes": (64 << 10, 64 << 20),
    **dict.fromkeys(_NO_LIMIT, (1 << 20, (1 << 63) - 1)),
}
_PATHS = {"artifact_cache_dir", "artifact_dir", "ca_file", "dir"}
_CONTROL = re.compile(f"[{CONTROL}]")
_LEVEL = re.compile("[0-9]{1,3}|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]+")
_MAX_NAME_BYTES = 128
_FORBIDDEN = re.compile(rf"[/\\#?%:{CONTROL}]")


def check(name: str, kind: str, value: object) -> None:
    """Check one setting of a kind, as `Settings` spells its type.

    Raises:
        ArgumentTypeError: It is of a wrong type.
        UsageError: It is out of range.
    """
    wanted, kinds = KINDS[kind]
    is_flag = isinstance(value, bool) and kind in {"float", "int"}
    if is_flag or not isinstance(value, kinds):
        raise ArgumentTypeError(f"{name} must be {wanted}, got {type(value).__name__}")
    if kind == "tuple[str, ...]" and name != "run_tags":
        _check_texts(name, value)
    if name == "capture_loggers":
        _check_loggers(value)
    if kind == "float":
        _check_secs(name, value)
    _check_range(name, value)
    if name.startswith("run_") and value is not None:
        _check_called(name, value)


def _check_texts(name: str, value: Any) -> None:  # noqa: ANN401  # of the setting's type
    if not all(isinstance(one, str) for one in value):
        raise ArgumentTypeError(f"{name} must be texts, got {value!r}")


def _check_secs(name: str, value: Any) -> None:  # noqa: ANN401  # of the setting's type
    least = _LEAST_SECS.get(name, 0)
    if not least <= value <= _MAX_SECS:
        raise UsageError(f"{name} must be {least} to {_MAX_SECS:,} seconds, got {value}")


def _check_bytes(name: str, value: int) -> None:
    least, most = _BYTES[name]
    may_be_none = name in _NO_LIMIT
    if not least <= value <= most and not (may_be_none and value == 0):
        wanted = "0 or " * may_be_none + f"{least:,} to {most:,}"
        raise UsageError(f"{name} must be {wanted}, got {value:,}")


def _check_range(name: str, value: Any) -> None:  # noqa: ANN401  # of the setting's type
    choices = _CHOICES.get(name)
    if name == "mode" and value == "shared":
        raise UsageError(
            "mode shared is not there yet: start each process of the run with the same id and a "
            'label of its own, such as init(id="mine", settings={"label": "rank0"})'
        )
    if choices and value not in choices:
        raise UsageError(f"{name} must be {' or '.join(filter(None, choices))}, got {value!r}")
    if name in _BYTES:
        _check_bytes(name, value)
    if name == "api_key" and value is not None and not _KEY.fullmatch(value):
        raise UsageError("api_key must be printable ASCII without spaces")
    if name == "base_url":
        _check_address(value)
    if name in _PATHS and re.search("[\0\ud800-\udbff]", os.fspath(value)):
        raise UsageError(f"{name} must not hold NUL characters or surrogates, got {value!r}")
    if name in {"project", "entity"}:
        check_name(name, value)
    if name == "label" and (_CONTROL.search(value) or len(value.encode()) > _MAX_NAME_BYTES):
        raise UsageError(
            f"label must have at most {_MAX_NAME_BYTES} bytes and no control characters"
        )


def _check_loggers(value: Any) -> None:  # noqa: ANN401  # of the setting's type
    for one in value:
        logger, _, level = one.rpartition("=")
        if not logger or not _LEVEL.fullmatch(level):
            raise UsageError(
                "capture_loggers must be names with levels, such as root=INFO or uvicorn=20, "
                f"got {one!r}"
            )


def _check_called(name: str, value: Any) -> None:  # noqa: ANN401  # of the setting's type
    if name == "run_id":
        check_run_id(value)
    elif name == "run_name":
        as_name(value)
    elif name == "run_tags":
        as_tags(value)
    else:
        as_text(name, value)


def _check_address(base_url: str) -> None:
    """Check the server's address.

    Raises:
        UsageError: It is none of HTTP, or holds a password, which would be printed with every link
            to a run.
    """
    scheme, _, rest = base_url.partition("://")
    if scheme.lower() not in {"http", "https"}:
        raise UsageError(f"base_url must begin with http:// or https://, got {base_url!r}")
    host = rest.partition("/")[0]
    if "@" in host:
        shown = base_url.replace(host, host.rpartition("@")[2], 1)
        raise UsageError(
            f"base_url must not hold a user or password, set api_key for {shown} instead"
        )
    found = _HOST.fullmatch(host)
    if found is None or int(found["port"] or 0) > _MAX_PORT:
        raise UsageError(f"base_url must name a host, and a port up to {_MAX_PORT}: {base_url!r}")


def check_name(what: str, name: str) -> None:
    """Check a project or entity name.

    Raises:
        UsageError: It is empty, longer than 128 bytes, or holds a character that a URL could not.
    """
    if not name or name in {".", ".."} or len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES:
        raise UsageError(f"the {what} {name!r} must have 1 to 128 bytes and not be a dot path")
    if _FORBIDDEN.search(name):
        raise UsageError(
            f"the {what} {name!r} must not hold any of / \\ # ? % : or control characters"
        )
