"""What a server says of a version of an artifact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

__all__ = ["PAGE", "Version"]

PAGE = 100
"""Versions of a page, unless somebody says otherwise."""

_NAMES = ("id", "entity", "project", "name", "type")
_TEXTS = ("version", "digest", "description", "reason", "manifest")
_LISTS = ("aliases", "tags", "logged_by", "used_by")


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version, as of when it was read.

    Attributes:
        id: Its id.
        entity: Owner of the project.
        project: The project that it is in.
        name: Of its collection.
        version: Such as `v3`; empty while it is not committed.
        type: Its kind.
        aliases: Its names besides `version`.
        tags: Labels.
        digest: Of all that it holds.
        size: In bytes.
        count: How many entries it has.
        description: A text about it.
        metadata: Facts about it.
        created: When it was logged, seconds since the epoch.
        state: `pending`, `committed`, `failed` or `deleted`.
        reason: Why it failed.
        source: Where a linked one comes from: entity, project, name and version.
        run: The run that logged it first: entity, project, run and name.
        manifest: SHA-256 of its manifest; empty in lists.
        logged_by: Runs that logged it; not in lists.
        used_by: Runs that used it; not in lists.
    """

    id: str
    entity: str
    project: str
    name: str
    version: str
    type: str
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    digest: str
    size: int
    count: int
    description: str
    metadata: dict[str, Any]
    created: float
    state: str
    reason: str
    source: Mapping[str, str] | None
    run: Mapping[str, str] | None
    manifest: str = ""
    logged_by: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    used_by: tuple[Mapping[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Out of what the server says.

        Raises:
            KeyError: Something is missing.
            TypeError: Something is of a wrong type.
            ValueError: Something is no number.
        """
        fields: dict[str, Any] = {
            "metadata": dict(said.get("metadata") or {}),
            "created": float(said["created"]),
            "state": str(said["state"]),
            "source": said.get("source"),
            "run": said.get("run"),
        }
        fields |= {name: str(said[name]) for name in _NAMES}
        fields |= {name: str(said.get(name) or "") for name in _TEXTS}
        fields |= {name: int(said.get(name) or 0) for name in ("size", "count")}
        fields |= {name: tuple(said.get(name) or ()) for name in _LISTS}
        return cls(**fields)

    @property
    def qualified(self) -> str:
        """As `entity/project/name:version`."""
        return f"{self.entity}/{self.project}/{self.name}:{self.version}"
