"""The installed packages, spelled so that `pip install -r` can install them."""

from __future__ import annotations

import json
import re
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steplog.capture.secrets import Secrets


def requirements(secrets: Secrets) -> str:
    """One line a distribution, by name; of two copies the one that is imported."""
    lines: dict[str, str] = {}
    for distribution in metadata.distributions():
        try:
            name, version = distribution.metadata["Name"], distribution.version
        except (KeyError, OSError, UnicodeDecodeError):  # a broken or half removed one
            continue
        if not name or not version:
            continue
        canonical = re.sub(r"[-_.]+", "-", name).lower()
        if canonical not in lines:
            lines[canonical] = _line(distribution, f"{name}=={version}", name=name)
    return "".join(f"{secrets.mask(lines[name])}\n" for name in sorted(lines))


def _line(distribution: metadata.Distribution, pinned: str, *, name: str) -> str:
    """As PEP 610 says where it came from; `name==version` when it came from an index."""
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = str(origin["url"])
    except (KeyError, OSError, TypeError, ValueError):
        return pinned
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        below = f"#subdirectory={origin['subdirectory']}" if origin.get("subdirectory") else ""
        return f"{name} @ {vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}{below}"
    if (origin.get("dir_info") or {}).get("editable"):
        return f"-e {url}"
    return f"{name} @ {url}"
