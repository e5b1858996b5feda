"""References: what an artifact names and does not hold, found and fetched where they are."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from steplog._errors import NotFoundError, ServerError, UsageError
from steplog.artifacts.folders import files_below
from steplog.artifacts.manifest import Entry, md5_text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Found",
    "UnknownKindError",
    "fetch",
    "find",
    "is_fetchable",
    "is_reference",
    "scheme_of",
]

MOST_OBJECTS = 10_000
"""Of a folder or a prefix that is added at once, unless `max_objects` says otherwise; as in W&B."""
_BUCKETS = {"s3", "gs"}
_PAGES = {"http", "https"}
_TIMEOUT_SECS = 60.0
_PIECE_BYTES = 1 << 20
_NOT_FOUND = 404


_OWN_OF_REFERENCE = {"wandb-artifact", "wandb-client-artifact"}
"""Entries of other artifacts in W&B: as addresses they would lead to nothing here."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*")


class UnknownKindError(ServerError):
    """A reference of a scheme that nobody here can fetch."""


class Found(NamedTuple):
    """What a reference leads to, or one of the files below it.

    Attributes:
        name: Its path below what was given; empty of that itself.
        ref: Its address.
        digest: What its storage says of its content, or its address.
        size: In bytes, where it is known.
        extra: What else its storage says.
    """

    name: str
    ref: str
    digest: str
    size: int | None = None
    extra: dict[str, str] | None = None


def scheme_of(uri: str) -> str:
    """The scheme of an address, in small letters; empty where it has none."""
    return urlsplit(uri).scheme.lower() if "://" in uri else ""


def is_reference(path: object) -> bool:
    """Whether it is an address, not a path."""
    return isinstance(path, (str, os.PathLike)) and bool(scheme_of(os.fspath(path)))


def is_fetchable(ref: str) -> bool:
    """Whether a reference is of a kind that `fetch` knows."""
    return scheme_of(ref) in {"file", *_BUCKETS, *_PAGES}


def find(uri: str, *, checksum: bool, most: int) -> list[Found]:
    """What an address leads to; with `checksum` it is asked of its content.

    An address of an unknown scheme is taken as it is, and stands for its content.

    Raises:
        UsageError: It is no address, or there is nothing, or more than `most`.
        NotFoundError: There is nothing there.
        ServerError: It cannot be reached.
        ImportError: It is in a bucket, and obstore is not installed.
    """
    scheme = scheme_of(uri)
    if scheme == "file":
        return _files(uri, checksum=checksum, most=most)
    if scheme in _BUCKETS:
        if not checksum:
            return [Found("", uri, uri)]
        from steplog.artifacts import bucket_references  # noqa: PLC0415  # obstore, for few

        return bucket_references.find(uri, most=most)
    if scheme in _PAGES:
        return [_page(uri) if checksum else Found("", uri, uri)]
    if _SCHEME.fullmatch(scheme) and scheme not in _OWN_OF_REFERENCE:
        return [Found("", uri, uri)]
    raise UsageError(
        "a reference begins with file://, http://, https://, s3://, gs:// or another scheme, got "
        f"{uri!r}"
    )


def fetch(entry: Entry, write: Callable[[bytes], object]) -> None:
    """Give the content of a reference piece by piece, and check that it is the one that was added.

    Raises:
        NotFoundError: There is nothing there any more.
        UnknownKindError: It is of an unknown scheme.
        ServerError: It cannot be reached, or holds something else by now.
        ImportError: It is in a bucket, and obstore is not installed.
    """
    ref = entry.ref or ""
    scheme = scheme_of(ref)
    if scheme == "file":
        _fetch_file(entry, ref, write)
    elif scheme in _BUCKETS:
        from steplog.artifacts import bucket_references  # noqa: PLC0415  # obstore, for few

        bucket_references.fetch(entry, write)
    elif scheme in _PAGES:
        _fetch_page(entry, ref, write)
    else:
        raise UnknownKindError(
            f"the reference is of no kind that can be fetched: {entry.path}: {ref}"
        )


def changed(entry: Entry) -> ServerError:
    """The error of a content that is another one now."""
    return ServerError(
        f"the reference holds something else than when it was added: {entry.path}: {entry.ref}"
    )


def gone(entry: Entry) -> NotFoundError:
    """The error of a content that is not there any more."""
    return NotFoundError(
        f"there is nothing at the reference: {entry.path}: {entry.ref}", status=_NOT_FOUND
    )


# ---- files --------------------------------------------------------------------------------------


def path_of(uri: str) -> Path:
    """The path of a `file://` address.

    Raises:
        UsageError: It names another machine.
    """
    parts = urlsplit(uri)
    if parts.netloc not in {"", "localhost"}:
        raise UsageError(f"a file:// reference has three slashes before its path, got {uri!r}")
    return Path(unquote(parts.path))


def _files(uri: str, *, checksum: bool, most: int) -> list[Found]:
    path = path_of(uri)
    if path.is_file():
        return [_file("", path, checksum=checksum)]
    if not path.is_dir():
        raise UsageError(f"there is no file or folder: {path}")
    found: list[Found] = []
    for name, one in files_below(path):
        if len(found) == most:
            raise UsageError(
                f"there are over {most:,} files below {path}: max_objects says how many may be"
            )
        found.append(_file(name, one, checksum=checksum))
    return found


def _file(name: str, path: Path, *, checksum: bool) -> Found:
    uri = path.absolute().as_uri()
    if not checksum:
        return Found(name, uri, uri)
    hashed, size = hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            hashed.update(piece)
            size += len(piece)
    return Found(name, uri, md5_text(hashed.digest()), size)


def _fetch_file(entry: Entry, ref: str, write: Callable[[bytes], object]) -> None:
    hashed = hashlib.md5(usedforsecurity=False)
    try:
        with path_of(ref).open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                hashed.update(piece)
                write(piece)
    except (FileNotFoundError, IsADirectoryError, UsageError):
        raise gone(entry) from None
    if entry.digest not in {ref, md5_text(hashed.digest())}:
        raise changed(entry)


# ---- pages --------------------------------------------------------------------------------------


def _page(uri: str) -> Found:
    """What a web server says of an address, without its content where it can be asked so."""
    import urllib.error  # noqa: PLC0415  # 30 ms, for who has such references
    import urllib.request  # noqa: PLC0415

    method = "HEAD"
    while True:
        request = urllib.request.Request(uri, method=method)  # noqa: S310  # http or https
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECS) as answer:  # noqa: S310  # as above
                etag = (answer.headers.get("ETag") or "").strip('"')
                length = answer.headers.get("Content-Length") or ""
                break
        except urllib.error.HTTPError as error:
            error.close()
            if method == "HEAD" and error.code in {403, 405, 501}:  # it may answer a GET
                method = "GET"
                continue
            if error.code == _NOT_FOUND:
                raise NotFoundError(f"there is nothing at {uri}", status=_NOT_FOUND) from error
            raise ServerError(f"{error.code} {error.reason}: {uri}") from error
        except (OSError, ValueError) as error:
            raise ServerError(f"it cannot be reached: {error}: {uri}") from error
    size = int(length) if length.isdecimal() else None
    return Found("", uri, etag or uri, size, {"etag": etag} if etag else None)


def _fetch_page(entry: Entry, ref: str, write: Callable[[bytes], object]) -> None:
    import http.client  # noqa: PLC0415  # 30 ms, for who has such references
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    try:
        with urllib.request.urlopen(ref, timeout=_TIMEOUT_SECS) as answer:  # noqa: S310  # http or https
            etag = (answer.headers.get("ETag") or "").strip('"')
            if entry.digest not in {ref, etag}:
                raise changed(entry)
            size = 0
            while piece := answer.read(_PIECE_BYTES):
                size += len(piece)
                write(piece)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _NOT_FOUND:
            raise gone(entry) from error
        raise ServerError(f"{error.code} {error.reason}: {ref}") from error
    except (OSError, http.client.HTTPException) as error:
        raise ServerError(f"it cannot be reached: {error}: {ref}") from error
    if entry.size is not None and size != entry.size:
        raise changed(entry)
