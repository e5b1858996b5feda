"""A manifest: what an artifact holds, read as whatever a client may have sent."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from steplog.server.schema import MAX_INT64, MAX_NESTING, SHA256
from steplog.server.store.artifact_rules import is_deeper

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_MANIFEST_BYTES = 256 << 20
"""A million entries of usual names: 200 bytes each."""
MAX_ENTRIES = 1_000_000
_MAX_PATH_BYTES = 1_024
_MAX_DIGEST = 1_024
_MAX_REF_BYTES = 8_192
_MAX_EXTRA_BYTES = 64 << 10
_POLICY = "wandb-storage-policy-v1"
_HEAD = b"wandb-artifact-manifest-v1\n"

_MD5 = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")
_SEPARATORS = re.compile(r"[/\\]")


class ManifestError(Exception):
    """It is no manifest: what is wrong with it, and where."""


class Entry(NamedTuple):
    """A file of an artifact, or a reference; `extra` is JSON."""

    path: str
    sha256: str
    digest: str
    size: int | None
    ref: str | None
    extra: str | None


def read_manifest(data: bytes) -> list[Entry]:
    """The entries of a manifest, by path.

    Raises:
        ManifestError: It is none.
    """
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"the manifest is not JSON: {error}") from error
    if not isinstance(tree, dict):
        raise ManifestError("the manifest is not a JSON object")
    version = tree.get("version")
    if version != 1 or isinstance(version, bool):
        raise ManifestError("`version` of the manifest is not 1")
    if tree.get("storagePolicy") != _POLICY:
        raise ManifestError(f"`storagePolicy` of the manifest is not {_POLICY}")
    contents = tree.get("contents")
    if not isinstance(contents, dict):
        raise ManifestError("`contents` of the manifest is not an object")
    if len(contents) > MAX_ENTRIES:
        raise ManifestError(
            f"the manifest has {len(contents):,} entries, and an artifact {MAX_ENTRIES:,} at most"
        )
    entries = [_entry(path, contents[path]) for path in sorted(contents)]
    check_folders(contents)
    return entries


def check_folders(paths: Iterable[str]) -> None:
    """Check that no path is both a file and a folder: nothing could be written so.

    Raises:
        ManifestError: One is.
    """
    known = set(paths)
    for path in known:
        at = path.find("/")
        while at > 0:
            if path[:at] in known:
                raise ManifestError(
                    f"{_shown(path[:at])} is a file, and a folder of {_shown(path)}"
                )
            at = path.find("/", at + 1)


def digest_of(entries: Iterable[tuple[str, str]]) -> str:
    """The digest of an artifact, out of path and digest of its entries, by path; as W&B has it."""
    hashed = hashlib.md5(_HEAD, usedforsecurity=False)
    for path, digest in entries:
        hashed.update(f"{path}:{digest}\n".encode())
    return hashed.hexdigest()


def merged(found: Sequence[tuple[str, str]]) -> str:
    """The digest of what was put together from several manifests.

    Raises:
        ManifestError: Together they are none.
    """
    if len(found) > MAX_ENTRIES:
        raise ManifestError(
            f"together that are {len(found):,} entries, and an artifact has {MAX_ENTRIES:,} at most"
        )
    check_folders(path for path, _ in found)
    return digest_of(found)


def _shown(path: object) -> str:
    return f"{path!r:.200}"


def _entry(path: str, said: object) -> Entry:
    _check_path(path)
    if not isinstance(said, dict):
        raise _of(path, "is not an object")
    digest, size, ref = said.get("digest"), said.get("size"), said.get("ref")
    is_text = isinstance(digest, str) and 0 < len(digest) <= _MAX_DIGEST
    if not isinstance(digest, str) or not is_text or _CONTROL.search(digest):
        raise _of(path, "`digest` is no text of 1 to 1,024 characters without controls")
    if size is not None and (
        isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MAX_INT64
    ):
        raise _of(path, f"`size` is {size!r:.40}, not a whole number from 0 on")
    if ref is not None:
        return _reference(path, said, digest=digest)
    sha256 = said.get("sha256")
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise _of(path, "`sha256` is not 64 digits of 0-9 a-f")
    if not _MD5.fullmatch(digest):
        raise _of(path, "`digest` is not an MD5 in base64")
    if size is None:
        raise _of(path, "`size` is missing")
    return Entry(path, sha256, digest, size, None, _extra(path, said))


def _reference(path: str, said: dict[str, Any], *, digest: str) -> Entry:
    ref = said["ref"]
    if not isinstance(ref, str) or not ref or len(ref.encode()) > _MAX_REF_BYTES:
        raise _of(path, f"`ref` is no address of at most {_MAX_REF_BYTES:,} bytes")
    if _CONTROL.search(ref):
        raise _of(path, "`ref` has control characters")
    return Entry(path, "", digest, said.get("size"), ref, _extra(path, said))


def _extra(path: str, said: dict[str, Any]) -> str | None:
    extra = said.get("extra")
    if extra is None:
        return None
    if not isinstance(extra, dict) or is_deeper(extra, MAX_NESTING):
        raise _of(path, f"`extra` is no object nested at most {MAX_NESTING} deep")
    text = orjson.dumps(extra)
    if len(text) > _MAX_EXTRA_BYTES:
        raise _of(path, f"`extra` has {len(text):,} bytes: at most 64 KiB")
    return text.decode()


def _check_path(path: str) -> None:
    if not path or len(path.encode()) > _MAX_PATH_BYTES:
        raise ManifestError(f"the path {_shown(path)} is empty or over {_MAX_PATH_BYTES:,} bytes")
    if _CONTROL.search(path):
        raise ManifestError(f"the path {_shown(path)} has control characters")
    if _ABSOLUTE.match(path):
        raise ManifestError(f"the path {_shown(path)} is absolute")
    # A backslash parts a path where such a name would leave the folder, too.
    if {"", ".", ".."} & {*path.split("/")} or ".." in _SEPARATORS.split(path):
        raise ManifestError(f"the path {_shown(path)} has an empty part, `.` or `..`")


def _of(path: str, what: str) -> ManifestError:
    return ManifestError(f"{what}, of the entry {_shown(path)}")


__all__ = [
    "MAX_ENTRIES",
    "MAX_MANIFEST_BYTES",
    "Entry",
    "ManifestError",
    "check_folders",
    "digest_of",
    "merged",
    "read_manifest",
]
