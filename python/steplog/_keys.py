"""This user's keys for servers: the key file."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from steplog._errors import UsageError
from steplog._settings import config_dir

if TYPE_CHECKING:
    from pathlib import Path


def keys_file() -> Path:
    """The file of this user's keys: {base URL: key}."""
    return config_dir() / "keys.json"


def key_from_file(base_url: str) -> str:
    """This user's key for a server, from the key file.

    Raises:
        UsageError: There is none, or the file is not JSON.
    """
    path = keys_file()
    keys: object = {}
    with contextlib.suppress(FileNotFoundError):
        try:
            keys = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise UsageError(f"the key file is not JSON: {path}") from error
    key = keys.get(base_url) if isinstance(keys, dict) else None
    if not isinstance(key, str) or not key:
        raise UsageError(
            f"there is no key for {base_url}: set STEPLOG_API_KEY, or add it to {path}"
        )
    return key


def add_keys(path: Path, keys: dict[str, str]) -> None:
    """Put keys into a key file, mode 0600, beside those that are there; what is no JSON is gone.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    there: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError, ValueError):
        found = json.loads(path.read_text("utf-8"))
        there = found if isinstance(found, dict) else {}
    write_private(path, json.dumps({**there, **keys}, indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads.

    Another process, and whoever comes after a power failure, sees the old or the new one. When it
    returns, the new one is on the disk.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
