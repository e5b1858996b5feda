"""What an artifact holds: W&B's manifest, with the SHA-256 of each file, and the digest of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from steplog._errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["Entry", "Manifest", "md5_text"]

_POLICY = "wandb-storage-policy-v1"
_FIRST_LINE = b"wandb-artifact-manifest-v1\n"
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """A file or a reference in an artifact.

    Attributes:
        path: Its path in the artifact.
        digest: Of a file its MD5 in base64; of a reference what its storage says of its content, or
            its address where that is not known.
        size: Its length in bytes; None of a reference where it is not known.
        sha256: Hash of a file in hexadecimal; empty for a reference.
        ref: The address of a reference; None of a file.
        extra: What else is known of a reference, such as `etag` and `versionID`.
        local_path: Where the file is on this machine, of a draft that is not logged yet.
    """

    path: str
    digest: str
    size: int | None
    sha256: str = ""
    ref: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    local_path: Path | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """As the manifest has it."""
        if self.ref is None:
            return {"digest": self.digest, "size": self.size, "sha256": self.sha256}
        known = {"size": self.size, "extra": dict(self.extra)}
        return {
            "digest": self.digest,
            "ref": self.ref,
            **{name: value for name, value in known.items() if value not in (None, {})},
        }

    @classmethod
    def from_json(cls, path: str, said: Mapping[str, Any]) -> Self:
        """Out of a manifest.

        Raises:
            KeyError: Something is missing.
            TypeError: Something is of a wrong type.
            ValueError: Something is no hash.
        """
        ref, size = said.get("ref"), said.get("size")
        sha256 = "" if ref is not None else said["sha256"]
        if ref is None and (not _SHA256.fullmatch(sha256) or not isinstance(size, int)):
            raise ValueError(f"no hash, or no size: {path}")
        return cls(path, str(said["digest"]), size, sha256, ref, dict(said.get("extra") or {}))


class Manifest:
    """The entries of an artifact.

    Attributes:
        entries: By their paths.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = {entry.path: entry for entry in entries}

    def __len__(self) -> int:
        return len(self.entries)

    def digest(self) -> str:
        """W&B's: MD5, in hexadecimal, of a first line and `path:digest` of each entry, by path."""
        hashed = hashlib.md5(_FIRST_LINE, usedforsecurity=False)
        for path in sorted(self.entries):
            hashed.update(f"{path}:{self.entries[path].digest}\n".encode())
        return hashed.hexdigest()

    def size(self) -> int:
        """Bytes of all entries of which that is known."""
        return sum(entry.size or 0 for entry in self.entries.values())

    def to_json(self) -> dict[str, Any]:
        """W&B's manifest, with `sha256` in each file's entry."""
        contents = {path: self.entries[path].to_json() for path in sorted(self.entries)}
        return {
            "version": 1,
            "storagePolicy": _POLICY,
            "storagePolicyConfig": {"storageLayout": "V2"},
            "contents": contents,
        }

    def encode(self) -> bytes:
        """The JSON in UTF-8; the same for the same entries."""
        text = json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))
        return text.encode()

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read one that a server has.

        Raises:
            ServerError: It is none.
        """
        try:
            contents = json.loads(content)["contents"]
            return cls(Entry.from_json(path, said) for path, said in contents.items())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServerError(f"the manifest cannot be understood: {error}") from error


def md5_text(digest: bytes) -> str:
    """An MD5 as manifests spell it."""
    return base64.b64encode(digest).decode()
