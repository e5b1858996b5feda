"""This user's keys for servers: the key file."""

from __future__ import annotations

import contextlib
import json
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
