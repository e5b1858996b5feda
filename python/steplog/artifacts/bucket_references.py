"""References into buckets of S3 and Google Cloud Storage, through obstore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from steplog import _settings
from steplog._errors import NotFoundError, ServerError, UsageError
from steplog.artifacts import references

if TYPE_CHECKING:
    from collections.abc import Callable

    from steplog.artifacts.manifest import Entry

__all__ = ["fetch", "find"]

_NOT_FOUND = 404
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def find(uri: str, *, most: int) -> list[references.Found]:
    """The object at an address, or all below it: W&B's rule, by which a prefix is a folder.

    Raises:
        NotFoundError: There is none.
        UsageError: There are more than `most`.
        ServerError: The storage refused or cannot be reached.
        ImportError: obstore is not installed.
    """
    obstore = _obstore()
    bucket, key = _parts_of(uri)
    store = _store_of(obstore, bucket)
    try:
        if key and not key.endswith("/"):
            try:
                return [_found(store.head(key), bucket, "")]
            except FileNotFoundError:
                pass  # a prefix
        prefix = key.rstrip("/")
        listed = [
            one
            for page in store.list(f"{prefix}/" if prefix else None)
            for one in page
            if not one["path"].endswith("/")
        ]
    except Exception as error:
        raise _refused(obstore, error, uri) from error
    if not listed:
        raise NotFoundError(f"there is nothing at {uri}", status=_NOT_FOUND)
    if len(listed) > most:
        raise UsageError(
            f"there are over {most:,} objects at {uri}: max_objects says how many may be"
        )
    start = len(prefix) + 1 if prefix else 0
    return [_found(one, bucket, one["path"][start:]) for one in listed]


def fetch(entry: Entry, write: Callable[[bytes], object]) -> None:
    """As of `references.fetch`.

    Raises:
        NotFoundError: It is not there any more.
        ServerError: It holds something else, or the storage cannot be reached.
        ImportError: obstore is not installed.
    """
    obstore = _obstore()
    bucket, key = _parts_of(entry.ref or "")
    try:
        got = _store_of(obstore, bucket).get(key)
        is_same = entry.digest in {entry.ref, _etag_of(got.meta)}
        for piece in got.stream() if is_same else ():
            write(bytes(piece))
    except FileNotFoundError:
        raise references.gone(entry) from None
    except Exception as error:
        raise _refused(obstore, error, entry.ref or "") from error
    if not is_same:
        raise references.changed(entry)


def _obstore() -> Any:  # noqa: ANN401  # a module
    try:
        import obstore.store  # noqa: PLC0415  # for who has such references
    except ImportError as error:
        raise ImportError(
            "references into buckets need obstore: pip install 'steplog[references]'"
        ) from error
    return obstore


def _parts_of(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return f"{parts.scheme.lower()}://{parts.netloc}", unquote(parts.path).lstrip("/")


def _store_of(obstore: Any, bucket: str) -> Any:  # noqa: ANN401  # classes of obstore
    # Keys and the region are those of the environment, and so is the server, if it is not AWS.
    environ = _settings.environment()
    at = next(filter(None, map(environ.get, _ENDPOINTS)), "")
    options = {"client_options": {"allow_http": True}} if at.startswith("http://") else {}
    return obstore.store.from_url(bucket, **options)


def _etag_of(meta: Any) -> str:  # noqa: ANN401  # obstore's
    return (meta.get("e_tag") or "").strip('"')


def _found(meta: Any, bucket: str, name: str) -> references.Found:  # noqa: ANN401  # obstore's
    ref, etag, version = f"{bucket}/{meta['path']}", _etag_of(meta), meta.get("version")
    extra = {"etag": etag} if etag else {}
    if version:
        extra["versionID"] = str(version)
    return references.Found(name, ref, etag or ref, meta["size"], extra or None)


def _refused(obstore: Any, error: Exception, uri: str) -> Exception:  # noqa: ANN401  # a module
    """Its error as one of ours; any other one as it is."""
    if isinstance(error, (obstore.exceptions.BaseError, OSError, ValueError)):
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        return ServerError(f"the storage refused or cannot be reached: {first}: {uri}")
    return error
