"""The installed packages, spelled so that `pip install -r` can install them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from steplog.capture.secrets import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steplog.capture.git import Checkout
    from steplog.capture.secrets import Secrets

# `me@host:path`, as SSH spells it; a scheme has two slashes behind the colon, a path none before.
_SCP = re.compile(r"(?P<host>[^/:\s]+):(?!//)/?(?P<path>\S+)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass
class Packages:
    """What is installed.

    Attributes:
        lines: One a distribution, by its canonical name.
        folders: Of those that are installed as editable, their name and the folder they are in.
    """

    lines: dict[str, str] = field(default_factory=dict)
    folders: dict[str, tuple[str, Path]] = field(default_factory=dict)

    def text(self) -> str:
        """The lines of a `requirements.txt`, by name."""
        return "".join(f"{self.lines[name]}\n" for name in sorted(self.lines))

    def spell_checkouts(self, checkouts: Mapping[Path, Checkout]) -> None:
        """Spell editable ones that are of a commit by its repository, as `pip freeze` does."""
        for canonical, (name, folder) in self.folders.items():
            line = _editable(name, checkouts[folder]) if folder in checkouts else ""
            # What pip would take for two arguments stays the folder that it is.
            if line and not re.search(r"\s", line):
                self.lines[canonical] = f"-e {line}"


def installed(secrets: Secrets) -> Packages:
    """One line a distribution; of two copies the one that is imported."""
    found = Packages()
    for distribution in metadata.distributions():
        try:
            name, version = distribution.metadata["Name"], distribution.version
        except (KeyError, OSError, UnicodeDecodeError):  # a broken or half removed one
            continue
        if not name or not version:
            continue
        canonical = re.sub(r"[-_.]+", "-", name).lower()
        if canonical in found.lines:
            continue
        origin = _origin(distribution)
        found.lines[canonical] = _line(origin, secrets, name=name, version=version)
        if _is_editable(origin) and origin["url"].startswith("file:"):
            found.folders[canonical] = (name, Path(unquote(urlsplit(origin["url"]).path)))
    return found


def _origin(distribution: metadata.Distribution) -> dict[str, Any]:
    """Where it came from, as PEP 610 says; nothing when that was an index."""
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        return {**origin, "url": str(origin["url"])}
    except (KeyError, OSError, TypeError, ValueError):
        return {}


def _is_editable(origin: Mapping[str, Any]) -> bool:
    return bool((origin.get("dir_info") or {}).get("editable"))


def _line(origin: Mapping[str, Any], secrets: Secrets, *, name: str, version: str) -> str:
    if not origin:
        return f"{name}=={version}"
    url = origin["url"]
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        below = f"#subdirectory={origin['subdirectory']}" if origin.get("subdirectory") else ""
        remote = _installable(secrets.mask_remote(url))
        return f"{name} @ {vcs.get('vcs', 'git')}+{remote}@{vcs.get('commit_id', '')}{below}"
    return secrets.mask(f"-e {url}" if _is_editable(origin) else f"{name} @ {url}")


def _editable(name: str, checkout: Checkout) -> str:
    remote = _installable(checkout.remote)
    scp = _SCP.fullmatch(remote)
    if scp:
        remote = f"ssh://{scp['host']}/{scp['path']}"
    elif not _SCHEME.match(remote):
        remote = Path(remote).absolute().as_uri()
    egg = name.replace("-", "_")
    below = f"&subdirectory={checkout.subdirectory}" if checkout.subdirectory else ""
    return f"git+{remote}@{checkout.commit}#egg={egg}{below}"


def _installable(remote: str) -> str:
    """A masked user is none that anybody can log in as: pip asks for one."""
    return remote.replace(f"://{MASK}@", "://", 1)
